"""This service's settings: PARKSTREAM_* variables, read once in `__main__`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from downlink_dispatcher.domain.buckets import Limits
from downlink_dispatcher.domain.retries import Retries
from downlink_dispatcher.domain.rules import SendingRules
from parking_chassis.settings import DatabaseSettings, MqttSettings, ServiceSettings


class LimitSettings(ServiceSettings):
    """How much is sent, how long a command may wait, and how often it is tried."""

    downlinks_per_minute_per_gateway: float = Field(
        default=30.0, gt=0, description="downlinks that one LoRaWAN gateway may send; its duty cycle allows no more"
    )
    downlinks_per_minute_per_tenant: float = Field(default=100.0, gt=0, description="downlinks of one tenant")
    downlink_ttl_seconds: float = Field(
        default=3_600.0, gt=0, le=604_800, description="a command that has not gone out by then expires"
    )
    downlink_attempts: int = Field(default=5, ge=1, le=20, description="failed attempts until a command is given up")
    downlink_retry_seconds: float = Field(default=2.0, gt=0, description="pause after the first failed attempt")
    downlink_retry_longest_seconds: float = Field(default=60.0, gt=0, description="the longest pause between attempts")
    downlink_lease_seconds: float = Field(
        default=20.0, ge=1, description="after so long another replica takes over what a dead one was sending"
    )
    display_spacing_seconds: float = Field(
        default=0.1, ge=0, description="shortest time between two states sent to one display; what flickers is skipped"
    )
    downlinks_at_once: int = Field(default=64, ge=1, le=256, description="downlinks handed over at the same time")
    keep_downlinks_days: float = Field(default=90.0, gt=0, description="how long the history of commands is kept")

    def sending_rules(self) -> SendingRules:
        """What goes out, and when."""
        return SendingRules(
            limits=Limits(self.downlinks_per_minute_per_gateway, self.downlinks_per_minute_per_tenant),
            spacing=timedelta(seconds=self.display_spacing_seconds),
            time_to_live=timedelta(seconds=self.downlink_ttl_seconds),
            lease=timedelta(seconds=self.downlink_lease_seconds),
            retries=Retries(
                attempts=self.downlink_attempts,
                first=timedelta(seconds=self.downlink_retry_seconds),
                longest=timedelta(seconds=self.downlink_retry_longest_seconds),
            ),
        )


class TruthSettings(LimitSettings):
    """How displays are held to what they should show."""

    display_sweep_seconds: float = Field(default=60.0, gt=0, description="how often every display is looked at")
    display_mend_attempts: int = Field(
        default=5, ge=1, description="a display that stays wrong after so many corrections is an alert"
    )
    display_mend_seconds: float = Field(default=5.0, ge=0, description="shortest time between two corrections")
    display_transmit_seconds: float = Field(
        default=60.0, gt=0, description="a class C display whose downlink is not on air by then gets it again"
    )
    display_request_reports: bool = Field(
        default=False, description="ask displays that can to answer every downlink: proof, at the price of airtime"
    )


class NetworkSettings(TruthSettings, MqttSettings):
    """Where the network server is, and how downlinks reach it."""

    source: str = Field(
        default="chirpstack",
        pattern=r"^[a-z0-9_-]{1,50}$",
        description="the name of this integration, as application bindings refer to it; the same as the ingestor's",
    )
    downlink_transport: Literal["grpc", "mqtt"] = Field(
        default="grpc", description="how downlinks reach ChirpStack: its API, or its MQTT commands"
    )
    chirpstack_url: str = Field(
        default="", description="ChirpStack's API: http://host:8080, or https:// for TLS; empty: there is none"
    )
    chirpstack_token: SecretStr = Field(default=SecretStr(""), description="API token of ChirpStack")
    chirpstack_token_file: Path | None = Field(default=None, description="file with the token; goes before the token")
    chirpstack_tls_ca: Path | None = Field(default=None, description="PEM file of the authority that signed ChirpStack")
    chirpstack_deadline_seconds: float = Field(default=5.0, gt=0, le=60, description="longest wait for an answer")
    chirpstack_sync_seconds: float = Field(
        default=300.0, gt=0, description="how often devices and LoRaWAN gateways are asked for"
    )
    mqtt_marshaler: Literal["json", "protobuf"] = Field(
        default="json", description="how ChirpStack reads commands: as its integration's own `json` setting says"
    )

    @field_validator("chirpstack_url")
    @classmethod
    def _is_an_api(cls, url: str) -> str:
        parts = urlsplit(url)
        is_plain = not parts.username and parts.path in ("", "/") and not parts.query
        if url and (parts.scheme not in ("http", "https") or not parts.hostname or not is_plain):
            raise ValueError("expected http://host:port or https://host[:port], where ChirpStack answers gRPC")
        _ = parts.port  # raises ValueError when it is none
        return url


class Settings(NetworkSettings, DatabaseSettings):
    """Everything the service reads."""

    health_port: int = Field(default=8004, ge=1, le=65535, description="port of /live, /ready, /health and /metrics")
