"""Three NATS nodes on loopback that keep every message on all of them, from the configuration that is shipped.

Each node is a process of its own, to be killed, stopped and started again; it keeps its ports and what it has stored.
`make_nats_cluster` starts one for a program, the fixture `nats_cluster` one for a test.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sysconfig
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import nats
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from parkstream.embedded import child, places, ports
from stack.servers import scratch_directory
from stack.waiting import eventually

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "nats" / "cluster.conf"
NODES = 3
LOGIN, ROUTE_LOGIN = ("parkstream", "parkstream"), ("route", "route")
START_SECONDS = 30.0
STOP_STEPS = ((signal.SIGTERM, 10.0),)


class Node:
    """One process of the cluster."""

    def __init__(self, number: int, home: Path) -> None:
        self.name = f"nats-{number}"
        self.client_port, self.monitor_port, self.route_port = (ports.free_port() for _ in range(3))
        self.home = home
        self.log = home / "nats.log"
        self.account = places.ourselves()
        self.process: subprocess.Popen[bytes] | None = None
        self._executable = Path(sysconfig.get_path("scripts")) / "nats-server"

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def configure(self, routes: str) -> None:
        """The shipped file, with what a node of its own machine would not need: other ports and another directory."""
        text = SHIPPED.read_text(encoding="utf-8")
        for shipped, ours in (
            ("\nport: 4222", f'\nlisten: "127.0.0.1:{self.client_port}"'),
            ("\nhttp: 8222", f'\nhttp: "127.0.0.1:{self.monitor_port}"'),
            ("\n  port: 6222", f'\n  listen: "127.0.0.1:{self.route_port}"'),
            ('"/data"', f'"{self.home / "store"}"'),
        ):
            assert text.count(shipped) == 1, f"{SHIPPED.name} does not say {shipped.strip()!r} once"
            text = text.replace(shipped, ours)
        (self.home / "nats.conf").write_text(text, encoding="utf-8")
        self._environment = {
            "PARKSTREAM_NATS_NODE": self.name,
            "PARKSTREAM_NATS_PASSWORD": LOGIN[1],
            "PARKSTREAM_NATS_ROUTE_PASSWORD": ROUTE_LOGIN[1],
            "PARKSTREAM_NATS_ROUTES": routes,
        }

    def spawn(self) -> None:
        """Start, or start again, without waiting."""
        with child.open_log(self.log) as output:
            self.process = child.spawn_server(
                [self._executable, "-c", self.home / "nats.conf"],
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

    async def is_healthy(self) -> bool:
        """Whether it serves clients and has caught up with the others in every stream and consumer."""
        assert self.is_running, f"{self.name} ended:\n{child.last_lines(self.log, 40)}"
        with contextlib.suppress(httpx.TransportError):
            async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
                return (await http.get(f"http://127.0.0.1:{self.monitor_port}/healthz")).is_success
        return False


class NatsCluster:
    """Three nodes, reached by `url` as a service is told of them."""

    def __init__(self, directory: Path) -> None:
        self.nodes = [Node(number, directory / f"node-{number}") for number in range(1, NODES + 1)]
        routes = ", ".join(f"nats://{':'.join(ROUTE_LOGIN)}@127.0.0.1:{node.route_port}" for node in self.nodes)
        for node in self.nodes:
            node.home.mkdir()
            node.configure(f"[{routes}]")

    @property
    def url(self) -> str:
        return self.url_through([node.client_port for node in self.nodes])

    @staticmethod
    def url_through(client_ports: list[int]) -> str:
        """The same, by way of other ports that lead there."""
        return ",".join(f"nats://{':'.join(LOGIN)}@127.0.0.1:{port}" for port in client_ports)

    async def start(self) -> None:
        """Start all, and wait until they have found each other."""
        for node in self.nodes:
            node.spawn()
        await asyncio.gather(*(eventually(node.is_healthy, START_SECONDS, message=node.name) for node in self.nodes))

    async def connect(self) -> Client:
        """A client of any node, which goes on with another."""
        return await nats.connect(self.url.split(","), max_reconnect_attempts=-1, reconnect_time_wait=0.1)

    async def leader_of(self, stream: str) -> Node:
        """The node that leads a stream; waits until there is one."""
        return await self._leader(f"STREAM.INFO.{stream}")

    async def consumer_leader_of(self, stream: str, consumer: str) -> Node:
        """The node that leads a durable consumer."""
        return await self._leader(f"CONSUMER.INFO.{stream}.{consumer}")

    async def _leader(self, question: str) -> Node:
        client = await self.connect()

        async def leading() -> Node | None:
            with contextlib.suppress(NatsError, TimeoutError):
                answer = await client.request(f"$JS.API.{question}", b"", timeout=1)
                name = httpx.Response(200, content=answer.data).json().get("cluster", {}).get("leader")
                return next((node for node in self.nodes if node.name == name and node.is_running), None)
            return None

        try:
            return await eventually(leading, START_SECONDS, message=f"the leader of {question}")
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
