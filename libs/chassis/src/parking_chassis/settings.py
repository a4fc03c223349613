"""Settings every service shares, read once in `__main__` from PARKSTREAM_* variables.

An error names the variable and never its value: URLs and keys carry secrets. A secret (`SecretStr`, or a URL with
`repr=False`) may come from a file instead: see `secret_files`.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, PostgresDsn, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from parking_chassis.secret_files import EnvironmentSettings
from parking_chassis.tls import client_context
from parking_contracts import subjects

CONFIG = SettingsConfigDict(env_prefix="PARKSTREAM_", frozen=True, extra="ignore", hide_input_in_errors=True)


class NatsSettings(EnvironmentSettings):
    """How NATS is reached."""

    model_config = CONFIG

    nats_url: str = Field(
        default="nats://127.0.0.1:4222",
        repr=False,
        description="NATS server, nats://user:password@host:port, or tls:// for TLS; several, separated by commas, "
        "are one cluster; reserved characters %-encoded",
    )
    nats_password: SecretStr | None = Field(
        default=None, description="the password, where nats_url names a user without one"
    )
    nats_tls_ca: Path | None = Field(default=None, description="PEM file of the authority that signed the NATS server")
    nats_tls_certificate: Path | None = Field(default=None, description="PEM file of our own certificate for NATS")
    nats_tls_key: Path | None = Field(default=None, description="PEM file of that certificate's key")

    @field_validator("nats_url")
    @classmethod
    def _are_servers(cls, value: str) -> str:
        parts = [urlsplit(url.strip()) for url in value.split(",")]
        if any(one.scheme not in ("nats", "tls") or not one.hostname for one in parts):
            raise ValueError("expected nats://[user:password@]host[:port] or tls://..., several separated by commas")
        if len({one.scheme for one in parts}) > 1:
            raise ValueError("either every server is nats:// or every one is tls://")
        for one in parts:
            _ = one.port  # raises ValueError when it is none
        return value

    @model_validator(mode="after")
    def _tls_is_wanted(self) -> Self:
        if self.nats_tls_ca is not None and not self.nats_url.startswith("tls:"):
            raise ValueError("nats_tls_ca is set, but nats_url is nats://, which is not encrypted: write tls://")
        return self

    @property
    def nats_servers(self) -> list[str]:
        """The addresses, without user and password."""
        parts = [urlsplit(url.strip()) for url in self.nats_url.split(",")]
        return [f"{one.scheme}://{one.netloc.rpartition('@')[2]}" for one in parts]

    def nats_login(self) -> tuple[str | None, str | None]:
        """User and password, where they are given; one for all servers."""
        given = [urlsplit(url.strip()) for url in self.nats_url.split(",")]
        return _login(next((one.netloc for one in given if one.username), ""), self.nats_password)

    def nats_tls(self) -> ssl.SSLContext | None:
        """The TLS context, which reads its files now; None for a plain connection."""
        if not self.nats_url.startswith("tls:"):
            return None
        return client_context("PARKSTREAM_NATS_TLS", self.nats_tls_ca, self.nats_tls_certificate, self.nats_tls_key)

    def nats_options(self, name: str) -> dict[str, Any]:
        """What `nats.connect` needs for the client called `name`, whose inboxes begin with `_INBOX_<name>`.

        With tls:// the first byte is TLS: a server's greeting in the clear could be anybody's, and nats-py would
        send the password after it. The server's `tls` block therefore says `handshake_first: auto`.
        """
        user, password = self.nats_login()
        options: dict[str, Any] = {"servers": self.nats_servers, "name": name, "inbox_prefix": subjects.inbox(name)}
        if user is not None:
            options |= {"user": user, "password": password or ""}
        tls = self.nats_tls()
        return options if tls is None else {**options, "tls": tls, "tls_handshake_first": True}


class MqttSettings(EnvironmentSettings):
    """How the MQTT broker is reached."""

    model_config = CONFIG

    mqtt_url: str = Field(
        default="mqtt://127.0.0.1:1883",
        repr=False,
        description="MQTT broker: mqtt://user:password@host:port, or mqtts:// for TLS; reserved characters %-encoded",
    )
    mqtt_password: SecretStr | None = Field(
        default=None, description="the password, where mqtt_url names a user without one"
    )
    mqtt_protocol: Literal["5", "3.1.1"] = Field(
        default="5", description="protocol version; NATS's own listener speaks 3.1.1 only"
    )
    mqtt_topic_prefix: str = Field(default="", description="what stands before application/..., such as eu868/")
    mqtt_tls_ca: Path | None = Field(default=None, description="PEM file of the authority that signed the broker")
    mqtt_tls_certificate: Path | None = Field(default=None, description="PEM file of our own certificate")
    mqtt_tls_key: Path | None = Field(default=None, description="PEM file of our certificate's key")

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
        """User and password, where they are given."""
        return _login(urlsplit(self.mqtt_url).netloc, self.mqtt_password)

    def mqtt_tls(self) -> ssl.SSLContext | None:
        """The TLS context, which reads its files now; None for a plain connection."""
        if not self.mqtt_url.startswith("mqtts:"):
            return None
        return client_context("PARKSTREAM_MQTT_TLS", self.mqtt_tls_ca, self.mqtt_tls_certificate, self.mqtt_tls_key)


class ServiceSettings(NatsSettings):
    """What a service needs to be seen: logs, health and the bus."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["console", "json"] = "json"
    health_host: str = Field(default="127.0.0.1", description="address of /live, /ready, /health and /metrics")
    health_port: int = Field(ge=1, le=65535, description="port of /live, /ready, /health and /metrics")
    health_tls_certificate: Path | None = Field(
        default=None, description="PEM file of the chain to serve these by https; http without it"
    )
    health_tls_key: Path | None = Field(default=None, description="PEM file of its key")
    shutdown_seconds: float = Field(default=8.0, gt=0, description="how long a graceful stop may take")


class DatabaseSettings(EnvironmentSettings):
    """What a service with tables needs on top. The URL carries a password, so it has no default."""

    model_config = CONFIG

    database_url: PostgresDsn = Field(repr=False, description="postgresql://user:password@host:port/database")
    database_password: SecretStr | None = Field(
        default=None, description="the password, where database_url names a user without one"
    )
    database_tls_ca: Path | None = Field(
        default=None, description="PEM file of the authority that signed PostgreSQL; then TLS is insisted on"
    )
    database_tls_certificate: Path | None = Field(default=None, description="PEM file of our own certificate for it")
    database_tls_key: Path | None = Field(default=None, description="PEM file of that certificate's key")
    database_pool_size: int = Field(default=8, ge=2, le=100)
    database_acquire_seconds: float = Field(default=5.0, gt=0)
    database_statement_seconds: float = Field(default=30.0, gt=0)
    database_lock_seconds: float = Field(default=10.0, gt=0)

    def database_options(self) -> dict[str, Any]:
        """What asyncpg needs to connect: the URL, a password that stands elsewhere, and TLS.

        Without `database_tls_ca` the URL's own `sslmode` and `sslrootcert` hold.
        """
        options: dict[str, Any] = {"dsn": str(self.database_url)}
        host = self.database_url.hosts()[0]
        if self.database_password is not None and not host["password"]:
            options["password"] = self.database_password.get_secret_value()
        if self.database_tls_ca is not None or self.database_tls_certificate is not None:
            options["ssl"] = client_context(
                "PARKSTREAM_DATABASE_TLS", self.database_tls_ca, self.database_tls_certificate, self.database_tls_key
            )
        return options


def _login(netloc: str, password: SecretStr | None) -> tuple[str | None, str | None]:
    login, has_login, _ = netloc.rpartition("@")
    user, _, written = login.partition(":")
    if not has_login or not user:
        return None, None
    return unquote(user), unquote(written) or (password.get_secret_value() if password is not None else None)
