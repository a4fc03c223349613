"""The engine's settings, from PARKSTREAM_* variables."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from parking_chassis.settings import DatabaseSettings, ServiceSettings


class RetentionSettings(BaseSettings):
    """How long histories are kept, by the time of receipt."""

    model_config = SettingsConfigDict(env_prefix="PARKSTREAM_", frozen=True, extra="ignore")

    keep_readings_days: int = Field(default=30, ge=1)
    keep_changes_days: int = Field(default=400, ge=1, description="state changes and stays")
    keep_orphans_days: int = Field(default=30, ge=1)
    keep_answers_days: int = Field(default=7, ge=1, description="answers replayed to a repeated idempotency key")


class EngineSettings(ServiceSettings, DatabaseSettings, RetentionSettings):
    """Everything the engine reads."""

    health_port: int = Field(default=8002, ge=1, le=65535)
    batch_messages: int = Field(default=500, ge=1, le=1000, description="uplinks per transaction at most")
    purge_seconds: float = Field(default=1.0, gt=0, description="how often handled uplinks leave the stream")
    silence_sweep_seconds: float = Field(default=5.0, gt=0)
    overdue_sweep_seconds: float = Field(default=1.0, gt=0)
    orphan_sweep_seconds: float = Field(default=5.0, gt=0, description="how often left orphans are taken in")
    upkeep_seconds: float = Field(default=3600.0, gt=0)
    source_outage_seconds: float = Field(default=60.0, gt=0, description="a longer gap between ticks is an outage")
    device_profiles_file: Path | None = Field(default=None, description="overrides per ChirpStack device profile")
