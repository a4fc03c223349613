"""Settings every service shares, read once in `__main__` from PARKSTREAM_* variables.

An error names the variable and never its value: URLs and keys carry secrets.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PostgresDsn
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """What a service needs to be seen: logs, health and the bus."""

    model_config = SettingsConfigDict(env_prefix="PARKSTREAM_", frozen=True, extra="ignore", hide_input_in_errors=True)

    nats_url: str = Field(default="nats://127.0.0.1:4222", description="NATS server, user and password included")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["console", "json"] = "json"
    health_host: str = Field(default="127.0.0.1", description="address of /live, /ready, /health and /metrics")
    health_port: int = Field(ge=1, le=65535, description="port of /live, /ready, /health and /metrics")
    shutdown_seconds: float = Field(default=8.0, gt=0, description="how long a graceful stop may take")


class DatabaseSettings(BaseSettings):
    """What a service with tables needs on top. The URL carries a password, so it has no default."""

    model_config = SettingsConfigDict(env_prefix="PARKSTREAM_", frozen=True, extra="ignore", hide_input_in_errors=True)

    database_url: PostgresDsn = Field(description="postgresql://user:password@host:port/database")
    database_pool_size: int = Field(default=8, ge=2, le=100)
    database_acquire_seconds: float = Field(default=5.0, gt=0)
    database_statement_seconds: float = Field(default=30.0, gt=0)
    database_lock_seconds: float = Field(default=10.0, gt=0)
