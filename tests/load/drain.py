"""How fast a burst of uplinks is worked off, and what that costs: two ways, told apart.

`queued`: the burst waits in the broker's queue of the ingestor, which is held (SIGSTOP) meanwhile; the clock starts
when it is let go, so that no publisher competes. `live`: the clock starts with the first publish, and the publisher
works beside the platform. `in_stream`: the burst waits in UPLINKS, because the engine is held, and the clock starts
when that is let go.

In: traffic. Out: seconds until the engine has acknowledged and committed the last uplink and its outbox is empty, that
is, every event is in SPACES; and what each process took meanwhile.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import asyncpg
from nats.aio.client import Client

from load.consumption import Consumption, look_at
from load.provisioning import publish_all
from load.running_platform import RunningPlatform
from load.stored import Beginning, check_stored, count_readings, last_sequence, mark_beginning
from load.traffic import Traffic
from parking_contracts.streams import UPLINKS
from parkstream.errors import OperatorError
from parkstream.migrate import connect as connect_database
from parkstream.streams import connect as connect_nats
from stack.waiting import eventually

POLL_SECONDS = 0.05
REST_POLL_SECONDS = 0.25  # counting costs
PATIENCE_SECONDS = 60.0  # without any progress
SLOWEST_PER_SECOND = 200.0  # whoever is slower has stopped
PORTION = 100_000  # a third of what fits into Mosquitto's memory
Way = Literal["queued", "live", "in_stream"]
HELD: dict[Way, str] = {"queued": "uplink_ingestor", "in_stream": "occupancy_engine"}
WAYS: tuple[Way, ...] = ("queued", "live")
OnProgress = Callable[[int], None]


@dataclass(frozen=True)
class Drained:
    """One burst, worked off: `uplinks` different ones in `seconds`."""

    uplinks: int
    seconds: float
    cpu_seconds: dict[str, float]
    after: Consumption

    @property
    def per_second(self) -> float:
        """Different uplinks per second; the duplicates come on top."""
        return self.uplinks / self.seconds


@dataclass
class Drain:
    """A platform, and the connections by which its progress is seen. `sent`: different uplinks since `began_at`."""

    platform: RunningPlatform
    database: asyncpg.Connection
    nats: Client
    began_at: datetime
    sent: int = 0

    async def rest(self, uplinks: int) -> None:
        """Wait until that many more uplinks, sent by somebody else, are stored and told."""
        self.sent += uplinks
        patience_seconds = PATIENCE_SECONDS + uplinks / SLOWEST_PER_SECOND
        await eventually(
            lambda: self._all_is_done(self.sent, self.began_at),
            patience_seconds,
            interval=REST_POLL_SECONDS,
            message="a platform at rest",
        )

    async def measure(self, way: Way, traffic: Traffic, on_progress: OnProgress) -> Drained:
        """Work off one burst, and check that all of it is stored. Raises OperatorError: it is not."""
        beginning = await mark_beginning(self.nats)
        goal = await last_sequence(self.nats, UPLINKS.name) + traffic.uplinks
        if way in HELD:
            with held(self.platform.processes[HELD[way]]):
                if way == "in_stream":
                    await self._pile_up(goal - traffic.uplinks, traffic)
                else:
                    await publish_all(self.platform, traffic.messages)
        before, began = look_at(self.platform.processes), time.monotonic()
        publishing = asyncio.create_task(publish_all(self.platform, traffic.messages)) if way == "live" else None
        await self._worked_off(goal, traffic, beginning, on_progress)
        seconds, after = time.monotonic() - began, look_at(self.platform.processes)
        if publishing is not None:
            await publishing
        await check_stored(self.database, self.nats, traffic, beginning)
        self.sent += traffic.uplinks
        return Drained(traffic.uplinks, seconds, after.cpu_since(before), after)

    async def _pile_up(self, sequence: int, traffic: Traffic) -> None:
        """Publish what UPLINKS is to hold behind `sequence`, no faster than the ingestor takes it from the broker."""
        different: set[int] = set()  # a duplicate is the same message again
        for start in range(0, len(traffic.messages), PORTION):
            portion = traffic.messages[start : start + PORTION]
            await publish_all(self.platform, portion)
            different.update(map(id, portion))
            await self._arrived(sequence + len(different), len(portion))

    async def _arrived(self, goal: int, uplinks: int) -> None:
        """Wait until UPLINKS holds everything."""

        async def is_there() -> bool:
            return await last_sequence(self.nats, UPLINKS.name) >= goal

        patience_seconds = PATIENCE_SECONDS + uplinks / SLOWEST_PER_SECOND
        await eventually(is_there, patience_seconds, interval=POLL_SECONDS, message="the backlog in UPLINKS")

    async def _worked_off(self, goal: int, traffic: Traffic, beginning: Beginning, on_progress: OnProgress) -> None:
        """Wait until every uplink is acknowledged and committed, and every change published.

        Ticks count as uplinks to the stream: the readings decide, but counting them is left for the end.
        """
        least, moved_at = -1, time.monotonic()
        while True:
            info = await self.nats.jetstream().consumer_info(UPLINKS.name, UPLINKS.consumers[0].name)
            left = goal - (info.ack_floor.stream_seq if info.ack_floor else 0)
            if left <= 0 and await self._all_is_done(traffic.uplinks, beginning.at):
                return
            if left != least:
                least, moved_at = left, time.monotonic()
                on_progress(traffic.uplinks - max(left, 0))
            elif time.monotonic() - moved_at > PATIENCE_SECONDS:
                missing = traffic.uplinks - await count_readings(self.database, beginning.at)
                raise OperatorError(f"{missing:,} uplinks have no reading; nothing moved for {PATIENCE_SECONDS:.0f} s.")
            await asyncio.sleep(POLL_SECONDS)

    async def _all_is_done(self, uplinks: int, since: datetime) -> bool:
        if await count_readings(self.database, since) < uplinks:
            return False
        return not await self.database.fetchval("SELECT EXISTS (SELECT FROM occupancy.outbox)")


@asynccontextmanager
async def drain_of(platform: RunningPlatform) -> AsyncIterator[Drain]:
    """Connections for the time of a benchmark."""
    database = await connect_database(platform.connections.database_url)
    nats = await connect_nats(platform.connections.nats_url)
    try:
        yield Drain(platform, database, nats, datetime.now(UTC))
    finally:
        await nats.close()
        await database.close()


@contextmanager
def held(pid: int) -> Iterator[None]:
    """Hold a process where it is."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
