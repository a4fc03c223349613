"""This service's settings: PARKSTREAM_* variables, read once in `__main__`."""

from __future__ import annotations

from pydantic import Field

from parking_chassis.bare_service import BareSettings


class Settings(BareSettings):
    """What the service stands on: the bus and its own schema."""

    health_port: int = Field(default=8003, ge=1, le=65535, description="port of /live, /ready, /health and /metrics")
