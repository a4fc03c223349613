"""Which children one machine needs: the embedded servers that no URL replaces, the services, and their ports.

In: `StackSettings` and a data directory. Out: servers to run, connections to hand on, an environment per service.
Nothing is started here.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from parkstream.embedded import ports
from parkstream.embedded.nats import SYNC_SOON, NatsPorts, NatsServer
from parkstream.embedded.postgres import PostgresServer
from parkstream.errors import OperatorError
from parkstream.settings import Connections, StackSettings

# The services stop by themselves before the supervisor's patience is over.
SERVICE_SHUTDOWN_SECONDS = 6
EMBEDDED_MQTT_PROTOCOL = "3.1.1"  # all that NATS's listener speaks; a real ChirpStack's broker speaks 5


@dataclass(frozen=True)
class NeededPort:
    """A port that must be free, what for, and the variable that chooses another."""

    number: int
    purpose: str
    variable: str


@dataclass(frozen=True)
class Owner:
    """The first user, whom the gateway makes once."""

    email: str
    password: str


@dataclass(frozen=True)
class ChirpStackAccess:
    """ChirpStack's API and the token for it; `is_double`: ours, to be run here."""

    url: str
    token: str
    is_double: bool


@dataclass(frozen=True)
class EmbeddedServers:
    """The servers to run here; None where the settings name an external one."""

    postgres: PostgresServer | None
    nats: NatsServer | None
    mqtt: NatsServer | None

    def __iter__(self) -> Iterator[PostgresServer | NatsServer]:
        """Those that are to run."""
        return (server for server in (self.postgres, self.nats, self.mqtt) if server is not None)


def embedded_servers(settings: StackSettings, data_dir: Path) -> EmbeddedServers:
    """A server for every URL that the settings leave open."""
    return EmbeddedServers(
        postgres=None if settings.database_url else PostgresServer(data_dir, settings.postgres_port),
        nats=None
        if settings.nats_url
        else NatsServer(data_dir, NatsPorts(settings.nats_port, settings.nats_monitor_port)),
        mqtt=None
        if settings.mqtt_url
        else NatsServer(
            data_dir,
            # Nobody speaks NATS to the broker, but its port cannot be turned off.
            NatsPorts(ports.free_port(), settings.mqtt_monitor_port, settings.mqtt_port),
            name="mqtt",
            sync_interval=SYNC_SOON,
        ),
    )


def needed_ports(settings: StackSettings, servers: EmbeddedServers) -> list[NeededPort]:
    """Every port that `up` is going to listen on."""
    needed = [
        NeededPort(settings.http_port, "the API (api_gateway)", "PARKSTREAM_HTTP_PORT"),
        NeededPort(settings.ingestor_health_port, "uplink_ingestor's health", "PARKSTREAM_INGESTOR_HEALTH_PORT"),
        NeededPort(settings.engine_health_port, "occupancy_engine's health", "PARKSTREAM_ENGINE_HEALTH_PORT"),
        NeededPort(
            settings.reservation_health_port, "reservation_service's health", "PARKSTREAM_RESERVATION_HEALTH_PORT"
        ),
        NeededPort(
            settings.dispatcher_health_port, "downlink_dispatcher's health", "PARKSTREAM_DISPATCHER_HEALTH_PORT"
        ),
    ]
    if not settings.chirpstack_url:
        needed.append(NeededPort(settings.chirpstack_port, "the ChirpStack double", "PARKSTREAM_CHIRPSTACK_PORT"))
    if servers.postgres is not None:
        needed.append(NeededPort(settings.postgres_port, "the embedded PostgreSQL", "PARKSTREAM_POSTGRES_PORT"))
    if servers.nats is not None:
        needed.append(NeededPort(settings.nats_port, "the embedded NATS", "PARKSTREAM_NATS_PORT"))
        needed.append(NeededPort(settings.nats_monitor_port, "NATS's monitoring", "PARKSTREAM_NATS_MONITOR_PORT"))
    if servers.mqtt is not None:
        needed.append(NeededPort(settings.mqtt_port, "the embedded MQTT broker", "PARKSTREAM_MQTT_PORT"))
        needed.append(NeededPort(settings.mqtt_monitor_port, "its monitoring", "PARKSTREAM_MQTT_MONITOR_PORT"))
    return needed


def check_ports(needed: Iterable[NeededPort]) -> None:
    """`OperatorError` that names every port which is taken or asked for twice, by whom, and what chooses another."""
    seen: dict[int, NeededPort] = {}
    problems = []
    remedies = []
    for port in needed:
        if (other := seen.setdefault(port.number, port)) is not port:
            problems.append(f"Port {port.number} is asked for twice: for {other.purpose} and for {port.purpose}.")
        elif not ports.is_free(port.number):
            holder = ports.holder(port.number)
            problems.append(f"Port {port.number}, for {port.purpose}, is taken{f' by {holder}' if holder else ''}.")
        else:
            continue
        remedies.append(f"{port.variable}=<another port>")
    if problems:
        raise OperatorError("\n".join(problems), f"Stop what holds it, or set {' '.join(remedies)}")


def resolve(settings: StackSettings, servers: EmbeddedServers, api_key: str) -> Connections:
    """The URLs of everything, external or embedded (whose passwords exist once `prepare` has run)."""
    return Connections(
        database_url=servers.postgres.url if servers.postgres else settings.database_url or "",
        nats_url=servers.nats.login().url if servers.nats else settings.nats_url or "",
        mqtt_url=servers.mqtt.login().mqtt_url if servers.mqtt else settings.mqtt_url or "",
        api_url=f"http://{ports.LOOPBACK}:{settings.http_port}",
        api_key=api_key,
    )


def connections_of(user: str, servers: EmbeddedServers, connections: Connections) -> Connections:
    """The same with the login of one user where the server is embedded; an external one's URL is as it was given."""
    return msgspec.structs.replace(
        connections,
        nats_url=servers.nats.login(user=user).url if servers.nats else connections.nats_url,
        mqtt_url=servers.mqtt.login(user=user).mqtt_url if servers.mqtt else connections.mqtt_url,
    )


def chirpstack(settings: StackSettings, double_token: Callable[[], str]) -> ChirpStackAccess:
    """The ChirpStack that the settings name, or else the double; a real one's token may also stand in a file."""
    if not settings.chirpstack_url:
        return ChirpStackAccess(f"http://{ports.LOOPBACK}:{settings.chirpstack_port}", double_token(), is_double=True)
    token = settings.chirpstack_token.get_secret_value() if settings.chirpstack_token else ""
    return ChirpStackAccess(settings.chirpstack_url, token, is_double=False)


def double_environment(settings: StackSettings, connections: Connections, access: ChirpStackAccess) -> dict[str, str]:
    """The environment of the ChirpStack double."""
    environment = {
        "PARKSTREAM_MQTT_URL": connections.mqtt_url,
        "PARKSTREAM_CHIRPSTACK_PORT": str(settings.chirpstack_port),
        "PARKSTREAM_CHIRPSTACK_TOKEN": access.token,
        "PARKSTREAM_SHUTDOWN_SECONDS": str(SERVICE_SHUTDOWN_SECONDS),
    }
    if settings.mqtt_url is None:
        environment["PARKSTREAM_MQTT_PROTOCOL"] = EMBEDDED_MQTT_PROTOCOL
    return environment


def client_environment(connections: Connections) -> dict[str, str]:
    """What a `parkstream` command needs to talk to this platform."""
    return {
        "PARKSTREAM_DATABASE_URL": connections.database_url,
        "PARKSTREAM_NATS_URL": connections.nats_url,
        "PARKSTREAM_MQTT_URL": connections.mqtt_url,
        "PARKSTREAM_API_URL": connections.api_url,
        "PARKSTREAM_BOOTSTRAP_API_KEY": connections.api_key,
    }


def service_environment(
    service: str,
    settings: StackSettings,
    connections: Connections,
    data_dir: Path,
    owner: Owner,
    access: ChirpStackAccess,
) -> dict[str, str]:
    """The environment of one service, with no login that it has no use for.

    The bootstrap key and the owner's password go to the gateway alone, ChirpStack's token to the dispatcher,
    the broker's login to the dispatcher and the ingestor, which has none to the database.
    """
    port_variable = "PARKSTREAM_HTTP_PORT" if service == "api_gateway" else "PARKSTREAM_HEALTH_PORT"
    environment = {
        **client_environment(connections),
        "PARKSTREAM_DATA_DIR": str(data_dir),
        "PARKSTREAM_SHUTDOWN_SECONDS": str(SERVICE_SHUTDOWN_SECONDS),
        port_variable: str(settings.health_ports()[service]),
    }
    if settings.mqtt_url is None:
        environment["PARKSTREAM_MQTT_PROTOCOL"] = EMBEDDED_MQTT_PROTOCOL
    if service == "uplink_ingestor":
        environment["PARKSTREAM_DATABASE_URL"] = ""
    elif service != "downlink_dispatcher":
        environment["PARKSTREAM_MQTT_URL"] = ""
    is_gateway = service == "api_gateway"
    if not is_gateway:
        environment["PARKSTREAM_BOOTSTRAP_API_KEY"] = ""
    environment["PARKSTREAM_BOOTSTRAP_OWNER_EMAIL"] = owner.email if is_gateway else ""
    environment["PARKSTREAM_BOOTSTRAP_OWNER_PASSWORD"] = owner.password if is_gateway else ""
    environment["PARKSTREAM_CHIRPSTACK_URL"] = access.url
    environment["PARKSTREAM_CHIRPSTACK_TOKEN"] = access.token if service == "downlink_dispatcher" else ""
    return environment
