"""This service's settings: PARKSTREAM_* variables, read once in `__main__`."""

from __future__ import annotations

from pydantic import Field

from parking_chassis.settings import DatabaseSettings, ServiceSettings


class Settings(ServiceSettings, DatabaseSettings):
    """What the service stands on: the bus and its own schema."""

    health_port: int = Field(default=8004, ge=1, le=65535, description="port of /live, /ready, /health and /metrics")
