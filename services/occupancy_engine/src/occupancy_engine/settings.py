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
    keep_changes_days: int = Field(default=400, ge=1, description="state changes, stays and closed alerts")
    keep_orphans_days: int = Field(default=30, ge=1)
    keep_answers_days: int = Field(default=7, ge=1, description="answers replayed to a repeated idempotency key")


class AlertSettings(BaseSettings):
    """When a device on a space is worth an alert; 0 switches a kind off. A device profile may have its own."""

    model_config = SettingsConfigDict(env_prefix="PARKSTREAM_", frozen=True, extra="ignore")

    alert_sweep_seconds: float = Field(default=120.0, gt=0, description="how often devices are looked at for alerts")
    alert_measure_seconds: float = Field(
        default=3600.0, gt=0, description="how old a device's battery trend and radio figures may become"
    )
    alert_stuck_days: float = Field(default=7.0, ge=0, description="days without a change although it is heard")
    alert_battery_low_percent: float = Field(default=20.0, ge=0, le=100, description="battery that is low, per cent")
    alert_battery_low_volts: float = Field(default=3.0, ge=0, description="battery that is low, volts")
    alert_battery_left_days: float = Field(default=30.0, ge=0, description="days until empty, by its trend")
    alert_weak_snr_db: float = Field(default=-12.5, le=0, description="median signal-to-noise ratio of a day")
    alert_lost_frames_percent: float = Field(default=20.0, ge=0, le=100, description="frames of a day nobody heard")
    alert_decoder_errors_count: int = Field(default=3, ge=0, description="unreadable payloads in a run")
    alert_network_errors_count: int = Field(default=10, ge=0, description="problems the network reports in a run")
    alert_errors_quiet_hours: float = Field(default=6.0, gt=0, description="without another error a run is over")


class EngineSettings(ServiceSettings, DatabaseSettings, RetentionSettings, AlertSettings):
    """Everything the engine reads."""

    health_port: int = Field(default=8002, ge=1, le=65535)
    batch_messages: int = Field(default=1000, ge=1, le=1000, description="uplinks per transaction at most")
    purge_seconds: float = Field(default=5.0, gt=0, description="how often handled uplinks leave the stream")
    silence_sweep_seconds: float = Field(default=10.0, gt=0)
    overdue_sweep_seconds: float = Field(default=1.0, gt=0)
    orphan_sweep_seconds: float = Field(default=5.0, gt=0, description="how often left orphans are taken in")
    upkeep_seconds: float = Field(default=3600.0, gt=0)
    rollup_refresh_seconds: float = Field(default=60.0, gt=0, description="how often figures of the past are computed")
    source_outage_seconds: float = Field(default=60.0, gt=0, description="a longer gap between ticks is an outage")
    device_profiles_file: Path | None = Field(default=None, description="overrides per ChirpStack device profile")
