"""The settings of `python -m parking_simulator.chirpstack`: PARKSTREAM_* variables, read once in `__main__`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from parking_chassis.settings import ServiceSettings


class DoubleSettings(ServiceSettings):
    """Where the double listens, who may call it, and which broker it publishes to."""

    health_port: int = Field(default=1, description="not used: the double answers gRPC alone")
    chirpstack_port: int = Field(default=18080, ge=1, le=65535, description="port of the gRPC services, on loopback")
    chirpstack_token: SecretStr = Field(min_length=8, description="the admin key that it knows")
    mqtt_url: str = Field(repr=False, description="broker that events are published to and commands are read from")
    mqtt_protocol: Literal["5", "3.1.1"] = "5"
    source: str = "chirpstack"
