"""This service's settings: PARKSTREAM_* variables, read once in `__main__`."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, field_validator, model_validator

from parking_chassis.settings import ServiceSettings
from uplink_ingestor.ingest import Marshaler


class IngestorSettings(ServiceSettings):
    """Where the events come from and how they are read."""

    health_port: int = Field(default=8001, ge=1, le=65535, description="port of /live, /ready, /health and /metrics")

    mqtt_url: str = Field(
        default="mqtt://127.0.0.1:1883",
        description="MQTT broker: mqtt://user:password@host:port, or mqtts:// for TLS; reserved characters %-encoded",
    )
    mqtt_protocol: Literal["5", "3.1.1"] = Field(
        default="5", description="protocol version; NATS's own listener speaks 3.1.1 only"
    )
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
        description="messages the broker may have under way to us (MQTT 5; with 3.1.1 the broker's own window counts)",
    )
    mqtt_shared_group: str = Field(
        default="", pattern=r"^[^/+#]*$", description="shared subscription of several ingestors: $share/<group>/"
    )
    mqtt_keepalive_seconds: int = Field(default=20, ge=5, le=600)
    mqtt_topic_prefix: str = Field(default="", description="what stands before application/..., such as eu868/")
    mqtt_tls_ca: Path | None = Field(default=None, description="PEM file of the authority that signed the broker")
    mqtt_tls_certificate: Path | None = Field(default=None, description="PEM file of our own certificate")
    mqtt_tls_key: Path | None = Field(default=None, description="PEM file of our certificate's key")

    source: str = Field(
        default="chirpstack",
        pattern=r"^[a-z0-9_-]{1,50}$",
        description="the name of this integration, as application bindings refer to it",
    )
    marshaler: Marshaler = Field(default="auto", description="how ChirpStack writes events; auto looks at each")

    @field_validator("mqtt_url")
    @classmethod
    def _is_a_broker(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError("expected mqtt://[user:password@]host[:port] or mqtts://...")
        _ = parts.port  # raises ValueError when it is none
        return url

    @field_validator("mqtt_topic_prefix")
    @classmethod
    def _ends_with_a_slash(cls, prefix: str) -> str:
        if any(wildcard in prefix for wildcard in "+#"):
            raise ValueError("a topic prefix has no wildcards")
        return prefix if not prefix or prefix.endswith("/") else f"{prefix}/"

    @model_validator(mode="after")
    def _shared_needs_5(self) -> Self:
        if self.mqtt_shared_group and self.mqtt_protocol != "5":
            raise ValueError("mqtt_shared_group needs mqtt_protocol 5: NATS's listener grants it and delivers nothing")
        return self

    @property
    def mqtt_host(self) -> str:
        """The broker's host name or address."""
        return urlsplit(self.mqtt_url).hostname or ""

    @property
    def mqtt_port(self) -> int:
        """The broker's port; 1883, or 8883 with TLS, unless the URL names another."""
        return urlsplit(self.mqtt_url).port or (8883 if self.mqtt_url.startswith("mqtts:") else 1883)

    @property
    def mqtt_login(self) -> tuple[str | None, str | None]:
        """User and password, if the URL has them."""
        parts = urlsplit(self.mqtt_url)
        user, password = parts.username, parts.password
        return unquote(user) if user else None, unquote(password) if password else None

    def mqtt_tls(self) -> ssl.SSLContext | None:
        """The TLS context, which reads its files now; None for a plain connection."""
        if not self.mqtt_url.startswith("mqtts:"):
            return None
        context = ssl.create_default_context(cafile=self.mqtt_tls_ca)
        if self.mqtt_tls_certificate is not None:
            context.load_cert_chain(self.mqtt_tls_certificate, self.mqtt_tls_key)
        return context
