"""What the `parkstream` command reads from PARKSTREAM_* variables, and how it finds a running platform.

`StackSettings` says what `up` shall run and where; `connections()` is for every other command: the URLs from the
environment or, where it names none, those which a running `up` left in its data directory.
"""

import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec
from pydantic import Field, SecretStr, ValidationError

from parking_chassis.secret_files import EnvironmentSettings, SecretFileError, is_secret
from parking_chassis.settings import CONFIG
from parkstream.embedded import ports
from parkstream.embedded.places import choose_data_dir
from parkstream.errors import OperatorError

DEFAULT_DATA_DIR = Path(".parkstream")
# As the gateway takes it; said here before anything is started.
API_KEY = re.compile(r"pk_[a-z0-9]{8,32}_[A-Za-z0-9_-]{32,200}")
PASSWORD_LENGTH = range(10, 201)
OWNER_EMAIL = "owner@parkstream.local"
CONNECTIONS_FILE = Path("run") / "connections.json"


class StackSettings(EnvironmentSettings):
    """The platform on one machine. The embedded servers avoid the ports their kind is usually installed on."""

    model_config = CONFIG

    data_dir: Path | None = Field(default=None, description="data, logs and secrets; .parkstream when not given")
    database_url: str | None = Field(
        default=None, repr=False, description="an own PostgreSQL instead of the embedded one"
    )
    nats_url: str | None = Field(
        default=None, repr=False, description="an own NATS with JetStream instead of the embedded one"
    )
    stream_replicas: int | None = Field(
        default=None, ge=1, le=5, description="nodes of a NATS cluster that keep each stream; as it is when not given"
    )
    mqtt_url: str | None = Field(default=None, repr=False, description="an own MQTT broker instead of the embedded one")
    chirpstack_url: str | None = Field(
        default=None, description="an own ChirpStack's API instead of the double of the demo city"
    )
    chirpstack_token: SecretStr | None = Field(default=None, description="its API token")
    chirpstack_token_file: Path | None = Field(default=None, description="file with the token")
    bootstrap_api_key: SecretStr | None = Field(default=None, description="pk_<id>_<secret>; made when not given")
    bootstrap_owner_email: str | None = Field(
        default=None, description="the first user; owner@parkstream.local when not given"
    )
    bootstrap_owner_password: SecretStr | None = Field(default=None, description="his password; made when not given")
    api_url: str | None = Field(default=None, description="where a command finds the gateway")
    http_port: int = Field(default=8000, ge=1, le=65535, description="the gateway: the API")
    ingestor_health_port: int = Field(default=8001, ge=1, le=65535)
    engine_health_port: int = Field(default=8002, ge=1, le=65535)
    reservation_health_port: int = Field(default=8003, ge=1, le=65535)
    dispatcher_health_port: int = Field(default=8004, ge=1, le=65535)
    postgres_port: int = Field(default=15432, ge=1, le=65535, description="the embedded PostgreSQL")
    nats_port: int = Field(default=14222, ge=1, le=65535, description="the embedded NATS")
    nats_monitor_port: int = Field(default=18222, ge=1, le=65535, description="its monitoring page")
    mqtt_port: int = Field(default=11883, ge=1, le=65535, description="the embedded MQTT broker")
    mqtt_monitor_port: int = Field(default=18223, ge=1, le=65535, description="its monitoring page")
    chirpstack_port: int = Field(default=18080, ge=1, le=65535, description="the double of ChirpStack")

    def place(self) -> tuple[Path, str]:
        """The data directory to use and, when it is not where one would look for it, why."""
        if self.data_dir is not None:
            return choose_data_dir(self.data_dir, explicit=True)
        return choose_data_dir(DEFAULT_DATA_DIR, explicit=False)

    def health_ports(self) -> dict[str, int]:
        """The port on which each service answers /ready."""
        return {
            "uplink_ingestor": self.ingestor_health_port,
            "occupancy_engine": self.engine_health_port,
            "reservation_service": self.reservation_health_port,
            "downlink_dispatcher": self.dispatcher_health_port,
            "api_gateway": self.http_port,
        }


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a client of the platform needs; URLs carry user and password where the server wants them."""

    database_url: str
    nats_url: str
    mqtt_url: str
    api_url: str
    api_key: str


def read_settings(**given: Any) -> StackSettings:
    """The settings, with those of `given` that are not None on top; `OperatorError` names what is wrong."""
    try:
        settings = StackSettings(**{name: value for name, value in given.items() if value is not None})
    except SecretFileError as error:
        raise OperatorError(f"{error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        variable = f"PARKSTREAM_{'_'.join(map(str, first['loc'])).upper()}"
        field = StackSettings.model_fields.get(str(first["loc"][0])) if first["loc"] else None
        shown = "" if field is None or is_secret(field) else f"={first['input']}"
        raise OperatorError(f"{variable}{shown} is not usable: {first['msg']}.") from error
    key = settings.bootstrap_api_key
    if key and not API_KEY.fullmatch(key.get_secret_value()):
        raise OperatorError(
            "PARKSTREAM_BOOTSTRAP_API_KEY is no API key: it does not read pk_<id>_<secret>, with an id of 8 to 32 "
            "lower-case letters or digits and a secret of 32 to 200 letters, digits, - or _.",
            "Leave it away, and `parkstream up` makes one.",
        )
    if settings.chirpstack_url and not (settings.chirpstack_token or settings.chirpstack_token_file):
        raise OperatorError(
            "PARKSTREAM_CHIRPSTACK_URL is set without a token.",
            "Make an API key in ChirpStack, and set PARKSTREAM_CHIRPSTACK_TOKEN or PARKSTREAM_CHIRPSTACK_TOKEN_FILE.",
        )
    password = settings.bootstrap_owner_password
    if password and len(password.get_secret_value()) not in PASSWORD_LENGTH:
        raise OperatorError(
            f"PARKSTREAM_BOOTSTRAP_OWNER_PASSWORD must have {PASSWORD_LENGTH.start} to {PASSWORD_LENGTH.stop - 1} "
            "characters.",
            "Leave it away, and `parkstream up` makes one.",
        )
    return settings


def connections(
    settings: StackSettings | None = None, needs: Collection[str] = ("database_url", "nats_url", "mqtt_url")
) -> Connections:
    """The platform to talk to: what the environment names, completed from the `up` of this data directory.

    `OperatorError` when one of `needs` (fields of `Connections`) is known from neither; the others may be empty.
    """
    settings = settings or read_settings()
    found = _left_by_up(settings)
    api_key = settings.bootstrap_api_key.get_secret_value() if settings.bootstrap_api_key else found.get("api_key", "")
    resolved = {
        "database_url": settings.database_url or found.get("database_url", ""),
        "nats_url": settings.nats_url or found.get("nats_url", ""),
        "mqtt_url": settings.mqtt_url or found.get("mqtt_url", ""),
        "api_url": settings.api_url or found.get("api_url") or f"http://{ports.LOOPBACK}:{settings.http_port}",
        "api_key": api_key,
    }
    if missing := [f"PARKSTREAM_{name.upper()}" for name in needs if not resolved[name]]:
        raise OperatorError(
            f"No platform has run in {settings.place()[0]}, and the environment does not set {', '.join(missing)}.",
            "Start one with `parkstream up`, name its --data-dir in PARKSTREAM_DATA_DIR, or set the variables.",
        )
    return Connections(**resolved)


def _left_by_up(settings: StackSettings) -> dict[str, str]:
    path = settings.place()[0] / CONNECTIONS_FILE
    try:
        found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, PermissionError):
        return {}
    return found
