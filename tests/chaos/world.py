"""The platform as real processes, with a proxy in the middle of every connection.

In: a `Shape`. Out: a running `World` whose `components` can be killed and whose `links` can be cut, one by one.

    async with World.running(Shape(seed=7)) as world:
        world.components["postgres"].kill()
        world.links["occupancy_engine-0", "nats"].set_mode(Mode.BLACK_HOLE)

A world's servers are of the kind and with the settings that `parkstream up` and `config/` have, on small file systems
of their own where these can be mounted. Several NATS nodes are several components (`nats-0`, ...), each behind its
own link; services are told of all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Literal, Self

import asyncpg
import msgspec
import nats
from nats.aio.client import Client

from chaos.components import Component, DoubleComponent, ServerComponent, ServiceComponent
from chaos.disk import SmallDisk, unmount_abandoned
from chaos.double import TOKEN
from chaos.ledger import Ledger, now_us
from chaos.mqtt_tap import MqttTap
from chaos.proxy import Mode, Proxy, Tap
from chaos.towns import Town, build_towns
from parkstream.embedded import places, ports
from parkstream.embedded.nats import SYNC_ALWAYS, SYNC_SOON, NatsPorts, NatsServer
from parkstream.embedded.postgres import PostgresServer
from parkstream.errors import OperatorError
from parkstream.migrate import migrate_database
from parkstream.streams import apply_streams
from stack import warm_start
from stack.brokers import Mosquitto
from stack.gateways import KEY
from stack.nats_cluster import NatsCluster, Node, make_nats_cluster
from stack.servers import remove_abandoned_directories, scratch_directory
from stack.service_process import Service

SERVICES = ("uplink_ingestor", "occupancy_engine", "reservation_service", "downlink_dispatcher", "api_gateway")
DATABASE_USERS = frozenset(SERVICES) - {"uplink_ingestor"}
MOSQUITTO_INFLIGHT = 2_000  # as in config/mosquitto/mosquitto.conf
POSTGRES_MEGABYTES, NATS_MEGABYTES = 1_024, 384
CLIENTS, SENSORS = "clients", "sensors"
Broker = Literal["mosquitto", "embedded"]
# What a night compresses into minutes: sweeps and clocks that would wait a minute, and limits of the air.
QUICK = {
    "PARKSTREAM_DISPLAY_SWEEP_SECONDS": "5",
    "PARKSTREAM_DISPLAY_TRANSMIT_SECONDS": "10",
    "PARKSTREAM_RESERVATION_CLOCK_SECONDS": "1",
    "PARKSTREAM_DOWNLINKS_PER_MINUTE_PER_GATEWAY": "100000",
    "PARKSTREAM_DOWNLINKS_PER_MINUTE_PER_TENANT": "100000",
    "PARKSTREAM_RATE_LIMIT_READS_PER_SECOND": "0",
    "PARKSTREAM_RATE_LIMIT_WRITES_PER_SECOND": "0",
}


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How a world is to be: `spaces` of each tenant, `replicas` of each service, more of the services' environment."""

    seed: int = 1
    broker: Broker = "mosquitto"
    replicas: int = 1
    nats_nodes: int = 1
    spaces: int = 20
    environment: Mapping[str, str] = {}


class World:
    """See the module. `disks` are those that can be filled up, by component."""

    def __init__(self, shape: Shape, home: Path) -> None:
        self.shape = shape
        self.home = home
        self.ledger = Ledger()
        self.towns: list[Town] = build_towns(shape.spaces, shape.seed)
        self.components: dict[str, Component] = {}
        self.links: dict[tuple[str, str], Proxy] = {}
        self.disks: dict[str, SmallDisk] = {}
        self.cluster: NatsCluster | None = None
        self.control_port = ports.free_port()
        self._exits = AsyncExitStack()

    @classmethod
    @asynccontextmanager
    async def running(cls, shape: Shape) -> AsyncIterator[Self]:
        """Everything started, migrated and settled in; ended and removed afterwards."""
        unmount_abandoned()
        remove_abandoned_directories()
        world = cls(shape, scratch_directory("chaos"))
        try:
            await world._start()
            yield world
        finally:
            await world._end()

    @property
    def logs(self) -> Path:
        """Where every component writes."""
        return self.home / "logs"

    @property
    def database_url(self) -> str:
        """PostgreSQL's own, past every proxy."""
        return str(self.postgres.url)

    @property
    def nats_urls(self) -> list[str]:
        """The same of every NATS node."""
        return [node.login().url for node in self.nats_servers]

    @property
    def broker_name(self) -> str:
        """The component that uplinks come through."""
        return "mosquitto" if self.shape.broker == "mosquitto" else "mqtt_listener"

    @property
    def broker_url(self) -> str:
        """The MQTT broker's own."""
        return self._broker.url if isinstance(self._broker, Mosquitto) else self._broker.login().mqtt_url

    @property
    def mqtt_version(self) -> Literal["3.1.1", "5"]:
        """What the broker speaks."""
        return "5" if self.shape.broker == "mosquitto" else "3.1.1"

    def links_of(self, component: str) -> list[Proxy]:
        """Every link that begins or ends there."""
        return [proxy for ends, proxy in self.links.items() if component in ends]

    def url_through(self, near: str, far: str, url: str) -> str:
        """The URL of `far`, through the link from `near`."""
        return re.sub(r":\d+(?=/|$)", f":{self.links[near, far].port}", url)

    @property
    def gateway_urls(self) -> list[str]:
        """Where clients find the gateways."""
        return [f"http://127.0.0.1:{proxy.port}" for (near, _), proxy in self.links.items() if near == CLIENTS]

    async def connect_database(self) -> asyncpg.Connection:
        """As the owner, past every proxy."""
        return await asyncpg.connect(self.database_url, timeout=5, command_timeout=20)

    async def connect_bus(self) -> Client:
        """Past every proxy; not made again when it breaks."""
        return await nats.connect(self.nats_urls, allow_reconnect=False, max_reconnect_attempts=1, connect_timeout=5)

    async def _start(self) -> None:
        self.logs.mkdir()
        self._add_servers()
        for component in list(self.components.values()):
            await component.start()
        await migrate_database(self.database_url)
        await apply_streams(",".join(self.nats_urls), replicas=self.shape.nats_nodes)
        await self._add_double()
        for name in SERVICES:
            for number in range(self.shape.replicas):
                await self._add_service(name, number)
        services = [one for one in self.components.values() if isinstance(one, ServiceComponent)]
        if not all(await asyncio.gather(*(one.wait_ready() for one in services))):
            raise OperatorError("a service does not become ready", "CHAOS_KEEP_LOGS=<directory> keeps its log.")
        await self._settle_in()

    async def _settle_in(self) -> None:
        sql, bus = await self.connect_database(), await self.connect_bus()
        try:
            for town in self.towns:
                await town.settle_in(sql, bus)
                self.ledger.tenants.append(town.tenant_id)
        finally:
            await sql.close()
            await bus.close()

    def _add_servers(self) -> None:
        self.postgres = PostgresServer(self._disk("postgres", POSTGRES_MEGABYTES), ports.free_port())
        self.components["postgres"] = ServerComponent("postgres", self.postgres)
        self.nats_servers = self._make_nats()
        for number, node in enumerate(self.nats_servers):
            name = self._nats_name(number)
            self.components[name] = ServerComponent(name, node, "nats")
        self._broker = self._make_broker()
        self.components[self.broker_name] = ServerComponent(self.broker_name, self._broker)

    def _nats_name(self, number: int) -> str:
        return "nats" if self.shape.nats_nodes == 1 else f"nats-{number + 1}"

    def _make_nats(self) -> list[NatsServer] | list[Node]:
        """The bus; one node, or the three of config/nats/cluster.conf, which become ready together."""
        if self.shape.nats_nodes > 1:
            self.cluster = self._exits.enter_context(make_nats_cluster())
            self.cluster.spawn()
            return self.cluster.nodes
        home = self._disk("nats", NATS_MEGABYTES)
        return [NatsServer(home, NatsPorts(ports.free_port(), ports.free_port()), sync_interval=SYNC_ALWAYS)]

    def _make_broker(self) -> Mosquitto | NatsServer:
        if self.shape.broker == "embedded":
            given = NatsPorts(ports.free_port(), ports.free_port(), ports.free_port())
            home = self.home / "mqtt"
            home.mkdir(mode=0o755)
            return NatsServer(home, given, name="mqtt", sync_interval=SYNC_SOON)
        executable = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        if executable is None:
            raise OperatorError("Mosquitto is not installed.", "apt-get install mosquitto, or --broker embedded")
        home = places.make_private_dir(self.home / "mosquitto", places.server_account())
        return Mosquitto(executable, home, MOSQUITTO_INFLIGHT)

    def _disk(self, name: str, megabytes: int) -> Path:
        """A server's data directory, on a file system of its own if we may."""
        disk = SmallDisk(self.home / f"{name}-disk", megabytes)
        if disk.mount():
            self.disks[name] = disk
        return disk.path

    async def link(self, near: str, far: str, port: int, make_tap: Callable[[], Tap] | None = None) -> Proxy:
        """A link to a port, open from now on."""
        self.links[near, far] = proxy = await self._exits.enter_async_context(Proxy(port, make_tap))
        return proxy

    async def _add_double(self) -> None:
        port = ports.free_port()
        mqtt_port = int(self.broker_url.rpartition(":")[2])
        await self.link("chirpstack", self.broker_name, mqtt_port)
        noting = partial(MqttTap, self.ledger.note_acknowledged, publishes_up=True)
        await self.link(SENSORS, self.broker_name, mqtt_port, noting)
        mqtt = self.url_through("chirpstack", self.broker_name, self.broker_url)
        arguments = {
            "spaces": self.shape.spaces,
            "seed": self.shape.seed,
            "port": port,
            "control-port": self.control_port,
        }
        given = [part for name, value in arguments.items() for part in (f"--{name}", str(value))]
        given += ["--mqtt", mqtt, "--mqtt-version", self.mqtt_version]
        self.components["chirpstack"] = DoubleComponent(given, self.control_port, self.logs / "chirpstack.log")
        self.chirpstack_port = port
        await self.components["chirpstack"].start()

    async def _add_service(self, module: str, number: int) -> None:
        name = f"{module}-{number}"
        environment = {**QUICK, "PARKSTREAM_BOOTSTRAP_API_KEY": KEY}
        nodes = []
        for place, node in enumerate(self.nats_servers):
            far, url = self._nats_name(place), node.login().url
            await self.link(name, far, node.ports.client)
            nodes.append(self.url_through(name, far, url))
        environment["PARKSTREAM_NATS_URL"] = ",".join(nodes)
        if module in DATABASE_USERS:
            await self.link(name, "postgres", self.postgres.port)
            environment["PARKSTREAM_DATABASE_URL"] = self.url_through(name, "postgres", self.database_url)
        if module == "uplink_ingestor":
            await self.link(name, self.broker_name, int(self.broker_url.rpartition(":")[2]), self._tap_ingestor)
            environment |= self._mqtt_environment(name, number)
        if module == "downlink_dispatcher":
            await self.link(name, "chirpstack", self.chirpstack_port)
            environment["PARKSTREAM_CHIRPSTACK_URL"] = f"http://127.0.0.1:{self.links[name, 'chirpstack'].port}"
            environment["PARKSTREAM_CHIRPSTACK_TOKEN"] = TOKEN
        service = Service(module, environment | dict(self.shape.environment), self.logs / f"{name}.log")
        self.components[name] = ServiceComponent(service, number)
        if module == "api_gateway":
            await self.link(CLIENTS, name, int(service.url.rpartition(":")[2]))
        await self.components[name].start()

    def _tap_ingestor(self) -> MqttTap:
        """On a connection that begins now."""
        ledger = self.ledger
        return MqttTap(
            ledger.taken.add,
            on_published=ledger.delivered.add,
            on_subscribed=partial(ledger.note_subscribed, now_us()),
        )

    def _mqtt_environment(self, name: str, number: int) -> dict[str, str]:
        # No shared subscription, which Mosquitto forgets when it restarts: each ingestor hears everything (cluster.md).
        return {
            "PARKSTREAM_MQTT_URL": self.url_through(name, self.broker_name, self.broker_url),
            "PARKSTREAM_MQTT_PROTOCOL": self.mqtt_version,
            "PARKSTREAM_MQTT_CLIENT_ID": f"ingestor-{number}",
        }

    async def _end(self) -> None:
        """Services first, without ceremony: nobody asks how they end any more."""
        for proxy in self.links.values():
            proxy.set_mode(Mode.PASS)
        for component in reversed(self.components.values()):
            with contextlib.suppress(ProcessLookupError):
                component.kill()
        await self._exits.aclose()
        for disk in self.disks.values():
            disk.unmount()
        if keep := os.environ.get("CHAOS_KEEP_LOGS"):
            kept = Path(keep) / f"seed-{self.shape.seed}"
            shutil.copytree(self.logs, kept, dirs_exist_ok=True)
            for log in self.home.glob("*/**/*.log"):
                shutil.copy2(log, kept / log.name)
        shutil.rmtree(self.home, ignore_errors=True)


def end_fork_servers() -> None:
    """When no world will be started any more."""
    warm_start.pytest_unconfigure()
