"""Three NATS nodes on loopback that keep every message on all of them, from the configuration that is shipped.

Each node is a process of its own, to be killed, stopped and started again; it keeps its ports and what it has stored.
`make_nats_cluster` starts one for a program, the fixture `nats_cluster` one for a test.
"""

import asyncio
import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from parking_contracts.permissions import OPERATOR, USERS
from parkstream.embedded import child, places, ports
from parkstream.embedded.nats import NatsLogin, NatsPorts
from stack.own_logins import remember
from stack.servers import scratch_directory
from stack.waiting import eventually

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "nats"
NODES = 3
ROUTE = "route"
START_SECONDS = 30.0
STOP_STEPS = ((signal.SIGTERM, 10.0),)


class Node:
    """One process of the cluster."""

    def __init__(self, number: int, home: Path) -> None:
        self.name = f"nats-{number}"
        self.ports = NatsPorts(ports.free_port(), ports.free_port())
        self.route_port = ports.free_port()
        self.home = home
        self.log = home / "nats.log"
        self.account = places.ourselves()
        self.process: subprocess.Popen[bytes] | None = None
        remember(self)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def configure(self, peers: str) -> None:
        """The shipped files, with what a node of its own machine would not need: other ports and another directory."""
        text = (SHIPPED / "cluster.conf").read_text(encoding="utf-8")
        for shipped, ours in (
            ("\nport: 4222", f'\nlisten: "127.0.0.1:{self.ports.client}"'),
            ("\nhttp: 8222", f'\nhttp: "127.0.0.1:{self.ports.monitor}"'),
            ("\n  port: 6222", f'\n  listen: "127.0.0.1:{self.route_port}"'),
            ('"/data"', f'"{self.home / "store"}"'),
        ):
            assert text.count(shipped) == 1, f"cluster.conf does not say {shipped.strip()!r} once"
            text = text.replace(shipped, ours)
        (self.home / "cluster.conf").write_text(text, encoding="utf-8")
        shutil.copy(SHIPPED / "users.conf", self.home)
        for user in (ROUTE, *(user.name for user in USERS)):
            (self.home / f"nats_{user}").write_text(self.password_of(user), encoding="utf-8")
        self._environment = {
            "NATS_SERVER": str(Path(sysconfig.get_path("scripts")) / "nats-server"),
            "SECRETS_DIR": str(self.home),
            "PARKSTREAM_NATS_NODE": self.name,
            "PARKSTREAM_NATS_PEERS": peers,
        }

    @staticmethod
    def password_of(user: str) -> str:
        """The password of one user, on every node the same."""
        return f"{user}_of_the_cluster"

    def spawn(self) -> None:
        """Start, or start again, without waiting."""
        with child.open_log(self.log) as output:
            self.process = child.spawn_server(
                ["/bin/sh", SHIPPED / "start.sh", self.home / "cluster.conf"],
                self.account,
                output,
                cwd=self.home,
                death_signal=signal.SIGKILL,
                environment={**os.environ, **self._environment},
            )

    def kill(self) -> None:
        """kill -9."""
        child.kill_process(self.process)
        self.process = None

    def stop(self) -> None:
        """SIGTERM: the node says goodbye to its clients."""
        if self.process is not None:
            child.stop_process(self.process, STOP_STEPS)
            self.process = None

    def login(self) -> NatsLogin:
        """The operator's URL of this node alone."""
        return NatsLogin(f"nats://{OPERATOR}:{self.password_of(OPERATOR)}@{ports.LOOPBACK}:{self.ports.client}", "")

    def prepare(self) -> None:
        """Nothing: its files are there since it was made."""

    def wait_ready(self) -> None:
        """Block until it serves clients and has caught up with the others in every stream and consumer."""
        child.wait_ready(self.process, self._is_healthy, self.name, self.log)

    def _is_healthy(self) -> bool:
        monitor = http.client.HTTPConnection(ports.LOOPBACK, self.ports.monitor, timeout=1)
        try:
            monitor.request("GET", "/healthz")
            return monitor.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            monitor.close()


class NatsCluster:
    """Three nodes, reached by `url` as a service is told of them."""

    def __init__(self, directory: Path) -> None:
        self.nodes = [Node(number, directory / f"node-{number}") for number in range(1, NODES + 1)]
        peers = " ".join(f"{ports.LOOPBACK}:{node.route_port}" for node in self.nodes)
        for node in self.nodes:
            node.home.mkdir()
            node.configure(peers)

    @property
    def url(self) -> str:
        return ",".join(node.login().url for node in self.nodes)

    async def start(self) -> None:
        """Start all, and wait until they have found each other."""
        self.spawn()
        await asyncio.gather(*(asyncio.to_thread(node.wait_ready) for node in self.nodes))

    def spawn(self) -> None:
        """Start all without waiting."""
        for node in self.nodes:
            node.spawn()

    async def connect(self) -> Client:
        """A client of any node, which goes on with another."""
        return await nats.connect(self.url.split(","), max_reconnect_attempts=-1, reconnect_time_wait=0.1)

    async def leader_of(self, what: str) -> Node:
        """The node that leads a stream (`UPLINKS`) or a durable (`UPLINKS.occupancy_engine`); waits for one."""
        question = f"$JS.API.{'CONSUMER' if '.' in what else 'STREAM'}.INFO.{what}"
        client = await self.connect()

        async def leading() -> Node | None:
            with contextlib.suppress(NatsError, TimeoutError):
                answer = await client.request(question, b"", timeout=1)
                name = json.loads(answer.data).get("cluster", {}).get("leader")
                return next((node for node in self.nodes if node.name == name and node.is_running), None)
            return None

        try:
            return await eventually(leading, START_SECONDS, interval=0.1, message=f"the leader of {what}")
        finally:
            await client.close()

    def end(self) -> None:
        """Kill them all: nobody needs what they hold."""
        for node in self.nodes:
            node.kill()


@contextlib.contextmanager
def make_nats_cluster() -> Iterator[NatsCluster]:
    """A cluster, not started yet, whose files go with the block."""
    directory = scratch_directory("nats-cluster")
    cluster = NatsCluster(directory)
    try:
        yield cluster
    finally:
        cluster.end()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def nats_cluster() -> AsyncIterator[NatsCluster]:
    """A running cluster of this test alone; it has no streams."""
    with make_nats_cluster() as cluster:
        await cluster.start()
        yield cluster
