"""What the gateway reads from its environment (PARKSTREAM_*), once, in `__main__`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, IPvAnyNetwork, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from api_gateway.identity.api_keys import parse_key
from api_gateway.identity.credentials import EMAIL, weakness
from parking_chassis.settings import DatabaseSettings, ServiceSettings


class WebhookSettings(BaseSettings):
    """Outgoing webhooks: whom they may reach, how patient they are, and their bounds."""

    model_config = SettingsConfigDict(env_prefix="PARKSTREAM_", frozen=True, extra="ignore", hide_input_in_errors=True)

    webhook_insecure_http: bool = Field(default=False, description="outgoing webhooks may use http, not https alone")
    webhook_allowed_networks: tuple[IPvAnyNetwork, ...] = Field(
        default=(), description='networks that are not public and may be called all the same, e.g. ["10.1.0.0/16"]'
    )
    webhook_attempt_seconds: float = Field(default=15.0, gt=0, le=120, description="a receiver answers within this")
    webhook_retry_seconds: tuple[float, ...] = Field(
        default=(5.0, 60.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 86400.0),
        description="the longest pause before each retry; the real one is drawn between nothing and it",
    )
    webhook_in_flight_count: int = Field(default=200, ge=1, le=2000, description="webhooks under way in one process")
    webhook_endpoint_in_flight_count: int = Field(default=16, ge=1, le=100, description="of them to one endpoint")
    webhook_poll_seconds: float = Field(default=1.0, gt=0, description="how often due webhooks are looked for")
    webhook_disable_days: float = Field(
        default=5.0, gt=0, description="an endpoint with nothing but failures for this long is disabled"
    )
    webhook_backlog_count: int = Field(
        default=100_000, gt=0, description="an endpoint for which more deliveries wait is disabled"
    )
    webhook_replay_count: int = Field(default=50_000, gt=0, description="deliveries that one replay may make")
    webhook_keep_days: float = Field(default=30.0, gt=0, description="deliveries are forgotten after this")


class HttpSettings(BaseSettings):
    """What surrounds every request: rate limits per replica, other origins, TLS."""

    model_config = SettingsConfigDict(env_prefix="PARKSTREAM_", frozen=True, extra="ignore")

    rate_limit_reads_per_second: float = Field(
        default=100.0, ge=0, description="reads of one key or user, per replica; 0: no limit"
    )
    rate_limit_writes_per_second: float = Field(
        default=50.0, ge=0, description="writes of one key or user, per replica; 0: no limit"
    )
    rate_limit_burst_seconds: float = Field(default=2.0, gt=0, description="so many seconds' worth may come at once")
    rate_limit_tenant_factor: float = Field(
        default=4.0, ge=1, description="a whole tenant may do so many times what one key or user may"
    )
    cors_origins: str = Field(
        default="", description="web pages of these origins may call the API, e.g. https://a.example,https://b.example"
    )
    hsts_seconds: int = Field(
        default=0, ge=0, description="behind TLS: browsers keep to https so long (31536000 is a year); 0: not said"
    )

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        for origin in filter(None, value.replace(" ", "").split(",")):
            if origin != "*" and not re.fullmatch(r"https?://[a-z0-9.:\[\]-]+", origin):
                raise ValueError(f"{origin[:100]!r} is no origin: expected one such as https://console.example, or *")
        return value.replace(" ", "")


class IdentitySettings(BaseSettings):
    """Users: who may become one, how long sessions last, and what stands in front of us."""

    model_config = SettingsConfigDict(env_prefix="PARKSTREAM_", frozen=True, extra="ignore", hide_input_in_errors=True)

    registration: Literal["open", "closed"] = Field(
        default="closed", description="open: anybody may register a tenant of his own"
    )
    access_token_seconds: int = Field(default=900, ge=1, le=86400, description="an access token lives so long")
    refresh_idle_days: float = Field(default=14.0, gt=0, description="a session that is not used ends after this")
    refresh_days: float = Field(default=30.0, gt=0, description="every session ends after this")
    signing_key_days: float = Field(default=30.0, gt=0, description="a new key signs access tokens after this")
    keep_audit_days: float = Field(default=730.0, ge=31, description="audit entries are forgotten after this")
    password_hash_count: int = Field(default=2, ge=1, le=64, description="passwords hashed at a time (19 MiB each)")
    password_queue_count: int = Field(default=30, ge=0, description="more log-ins than these may not wait: 503")
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        default=(), description='whose X-Forwarded-For is believed, e.g. ["10.0.0.0/8"]; nobody\'s when empty'
    )
    bootstrap_owner_email: str | None = Field(
        default=None, description="e-mail of the first user, who owns the first tenant and is the platform's admin"
    )
    bootstrap_owner_password: SecretStr | None = Field(default=None, description="his first password")

    @model_validator(mode="after")
    def _owner_has_both(self) -> Self:
        email, password = self.bootstrap_owner_email, self.bootstrap_owner_password
        if bool(email) != bool(password and password.get_secret_value()):
            raise ValueError("give bootstrap_owner_email and bootstrap_owner_password together, or neither")
        if email and password:
            if not EMAIL.fullmatch(email):
                raise ValueError("bootstrap_owner_email is no e-mail address")
            if problem := weakness(password.get_secret_value(), email):
                raise ValueError(f"bootstrap_owner_password: {problem}")
        return self


class Settings(ServiceSettings, DatabaseSettings, IdentitySettings, HttpSettings, WebhookSettings):
    """The gateway serves its health routes on its HTTP port; `health_port` is therefore not used."""

    health_port: int = Field(default=8000, ge=1, le=65535, description="not used by the gateway: see http_port")
    http_host: str = Field(default="127.0.0.1", description="address of the API")
    http_port: int = Field(default=8000, ge=1, le=65535, description="port of the API")
    http_tls_certificate: Path | None = Field(
        default=None, description="PEM file of the chain to serve the API by https; http without it"
    )
    http_tls_key: Path | None = Field(default=None, description="PEM file of its key")
    http_head_seconds: float = Field(
        default=15.0, gt=0, description="a client that has not sent a whole request head by then is cut off"
    )
    http_drain_seconds: float = Field(
        default=1.0,
        ge=0,
        lt=5,
        description="at a stop, requests are still taken so long, each on its connection's last answer, while /ready "
        "says 503: as long as a load balancer needs to notice",
    )

    bootstrap_api_key: SecretStr | None = Field(
        default=None, description="pk_<id>_<secret>, registered when absent; when not given, one is made and printed"
    )
    bootstrap_tenant: str = Field(default="default", min_length=1, max_length=100, description="the first tenant")

    request_seconds: float = Field(default=30.0, gt=0, description="a request without an answer ends after this")
    request_body_bytes: int = Field(default=10 << 20, gt=0, description="larger request bodies are refused")
    command_seconds: float = Field(default=10.0, gt=0, description="how long the owner of a noun may take to answer")

    events_ring_count: int = Field(default=20_000, gt=0, description="events kept in memory for clients that resume")
    events_ring_bytes: int = Field(default=32 << 20, gt=0, description="the same in bytes")
    events_client_count: int = Field(default=5_000, gt=0, description="events that may wait for one slow client")
    events_client_bytes: int = Field(default=4 << 20, gt=0, description="the same in bytes")
    events_streams_per_tenant: int = Field(default=1_000, gt=0, description="open event streams of one tenant, here")
    events_heartbeat_seconds: float = Field(default=15.0, gt=0, description="a comment on a quiet event stream")
    events_revocation_seconds: float = Field(default=0.5, gt=0, description="how often the keys of streams are checked")

    @field_validator("bootstrap_api_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        if parse_key(value.get_secret_value()) is None:
            raise ValueError(
                "expected pk_<id>_<secret>: an id of 8 to 32 lower-case letters or digits, a secret of 32 to 200 "
                "letters, digits, - or _"
            )
        return value
