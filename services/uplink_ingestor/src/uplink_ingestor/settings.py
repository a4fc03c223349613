"""This service's settings: PARKSTREAM_* variables, read once in `__main__`."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from parking_chassis.settings import MqttSettings, ServiceSettings
from uplink_ingestor.ingest import Marshaler


class IngestorSettings(ServiceSettings, MqttSettings):
    """Where the events come from and how they are read."""

    health_port: int = Field(default=8001, ge=1, le=65535, description="port of /live, /ready, /health and /metrics")

    mqtt_client_id: str = Field(
        default="parkstream-ingestor",
        min_length=1,
        max_length=100,
        description="stable and unique per ingestor: the broker keeps the session under it",
    )
    mqtt_session_expiry_seconds: int = Field(
        default=86_400, ge=60, le=0xFFFF_FFFE, description="how long the broker keeps our session (MQTT 5)"
    )
    mqtt_receive_maximum: int = Field(
        default=2_000,
        ge=1,
        le=65_535,
        description="messages under way to us: asked of the broker (MQTT 5), and read no further than",
    )
    mqtt_shared_group: str = Field(
        default="", pattern=r"^[^/+#]*$", description="shared subscription of several ingestors: $share/<group>/"
    )
    mqtt_keepalive_seconds: int = Field(default=20, ge=5, le=600)

    source: str = Field(
        default="chirpstack",
        pattern=r"^[a-z0-9_-]{1,50}$",
        description="the name of this integration, as application bindings refer to it",
    )
    marshaler: Marshaler = Field(default="auto", description="how ChirpStack writes events; auto looks at each")

    @model_validator(mode="after")
    def _shared_needs_5(self) -> Self:
        if self.mqtt_shared_group and self.mqtt_protocol != "5":
            raise ValueError("mqtt_shared_group needs mqtt_protocol 5: NATS's listener grants it and delivers nothing")
        return self
