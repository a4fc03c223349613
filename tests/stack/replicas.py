"""Several processes of one service side by side, for tests that must pass whether there is one or two.

The modules in `SIDE_BY_SIDE` run twice: with one process of each service that they start, and with two. Services share
their work by themselves (durable consumers, queues, advisory locks); gateways stand behind one address here, which
gives each request to the next one, as a load balancer would.
"""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from parkstream.embedded import ports
from stack.service_process import Service

SIDE_BY_SIDE = {
    "test_commands_downlinks",
    "test_engine_device_events",
    "test_engine_orphans_and_devices",
    "test_engine_reservations",
    "test_engine_space_commands",
    "test_gateway_writing",
    "test_reservation_booking",
    "test_reservation_life",
}
# Frames of one device, sent within milliseconds, reach two engines in any order: what is late for its session is kept
# as history, and these tests are about what is not late.
IN_ORDER = {
    "test_a_mapped_device_stays_known_when_a_frame_brings_no_object",
    "test_health_is_kept_from_readings",
}
HEAD_BYTES = 1 << 16


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the chosen modules' tests that start services once for each number of replicas."""
    module = metafunc.module.__name__.rpartition(".")[2]
    in_order = metafunc.function.__name__ in IN_ORDER
    if module in SIDE_BY_SIDE and "replicas" in metafunc.fixturenames and not in_order:
        metafunc.parametrize("replicas", [1, 2], ids=["alone", "two of each"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def replicas(request: pytest.FixtureRequest) -> int:
    """How many processes of each service a test runs."""
    return getattr(request, "param", 1)


class Replicas(Service):
    """Processes of one service as if they were one; what is done to it is done to each of them."""

    def __init__(self, module: str, environment: Mapping[str, str], log: Path, count: int) -> None:
        self.module = module
        self.log = log
        self.each = [Service(module, environment, log) for _ in range(count)]
        self.front = RoundRobin([one.url for one in self.each]) if module == "api_gateway" else None
        self.url = self.front.url if self.front else self.each[0].url

    def spawn(self) -> None:
        for one in self.each:
            one.spawn()
        self.process = self.each[0].process

    async def is_ready(self) -> bool:
        return all([await one.is_ready() for one in self.each])

    def kill(self) -> None:
        for one in self.each:
            one.kill()
        self.process = None

    def end(self) -> None:
        for one in self.each:
            one.end()
        self.process = None
        if self.front:
            self.front.close()

    def stop(self) -> int:
        """The worst exit status."""
        statuses = [one.stop() for one in self.each if one.process is not None]
        if self.front:
            self.front.close()
        self.process = None
        return max(statuses, key=abs, default=0)


def make_service(module: str, environment: Mapping[str, str], log: Path, replicas: int) -> Service:
    """A service of so many processes, not started yet."""
    return Service(module, environment, log) if replicas == 1 else Replicas(module, environment, log, replicas)


class RoundRobin:
    """One address for several HTTP servers: each request goes to the next one that takes it.

    It lives in a thread with a loop of its own, so that it neither waits for a test nor outlives its loop.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self.port = ports.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._upstream = itertools.cycle([int(url.rpartition(":")[2]) for url in urls])
        self._count = len(urls)
        self._answering: set[asyncio.Task[None] | None] = set()  # a loop alone does not keep its tasks alive
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        listening = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(listening),))
        self._thread.start()
        listening.wait(10)

    def close(self) -> None:
        """End every connection."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)
            self._loop.close()

    async def _serve(self, listening: threading.Event) -> None:
        server = await asyncio.start_server(self._on_connection, "127.0.0.1", self.port, limit=HEAD_BYTES)
        listening.set()
        await self._stop.wait()
        server.close()
        ours = asyncio.current_task()
        # A connection that was accepted just now gets its task only while the others end.
        while others := [task for task in asyncio.all_tasks() if task is not ours]:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request per connection: the server is told to close, so that the next one goes to its neighbour."""
        task = asyncio.current_task()
        self._answering.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            line, _, fields = head.partition(b"\r\n")
            upstream = await self._next()
            with _closing(upstream[1]):
                upstream[1].write(line + b"\r\nConnection: close\r\n" + fields)
                sending = asyncio.create_task(_pump(reader, upstream[1]))
                await _pump(upstream[0], writer)
                sending.cancel()
        writer.close()
        self._answering.discard(task)

    async def _next(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for port in itertools.islice(self._upstream, self._count):
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
        raise ConnectionRefusedError


@contextlib.contextmanager
def _closing(writer: asyncio.StreamWriter) -> Iterator[None]:
    try:
        yield
    finally:
        writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(HEAD_BYTES):
        writer.write(data)
        await writer.drain()
