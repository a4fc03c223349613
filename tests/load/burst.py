"""How fast a burst of uplinks is worked off, and what that costs.

In: messages. Out: seconds from the first publish until the engine has committed the last one and every change is
published, and what each process took meanwhile. The publisher runs on the same machine and competes for it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import asyncpg
from nats.aio.client import Client

from load.consumption import Consumption, look_at
from load.running_platform import RunningPlatform
from parking_contracts.streams import UPLINKS
from parking_simulator.publisher import Publisher
from parking_simulator.rendering import Message
from parkstream.errors import OperatorError
from parkstream.migrate import connect as connect_database
from parkstream.platform_access import broker_of
from parkstream.streams import connect as connect_nats

POLL_SECONDS = 0.05
PATIENCE_SECONDS = 60.0  # without any progress


@dataclass(frozen=True)
class Burst:
    """One burst, worked off."""

    uplinks: int
    seconds: float
    cpu_seconds: dict[str, float]
    after: Consumption

    @property
    def per_second(self) -> float:
        """Uplinks per second, from the first publish to the last commit."""
        return self.uplinks / self.seconds


@dataclass(frozen=True)
class Goal:
    """When it is done: UPLINKS acknowledged so far (ticks come on top), and as many readings as uplinks."""

    sequence: int
    readings: int


async def measure_burst(
    platform: RunningPlatform, messages: Sequence[Message], on_progress: Callable[[int], None]
) -> Burst:
    """Publish as fast as the broker takes it, and wait until the last one is a committed reading."""
    database = await connect_database(platform.connections.database_url)
    nats = await connect_nats(platform.connections.nats_url)
    try:
        before = look_at(platform.processes)
        goal = Goal(await _last_sequence(nats) + len(messages), await _readings(database) + len(messages))
        began = time.monotonic()
        publishing = asyncio.create_task(publish_all(platform, messages))
        await _worked_off(nats, database, goal, lambda left: on_progress(len(messages) - left))
        seconds = time.monotonic() - began
        await publishing
        after = look_at(platform.processes)
    finally:
        await nats.close()
        await database.close()
    return Burst(len(messages), seconds, after.cpu_since(before), after)


async def publish_all(platform: RunningPlatform, messages: Sequence[Message]) -> None:
    """Hand over everything; done when the broker has acknowledged it."""
    broker = broker_of(platform.connections)
    async with Publisher(broker, client_id="parkstream-bench", version=platform.mqtt_version) as publisher:
        for message in messages:
            await publisher.publish(message)
        await publisher.drain()


async def _worked_off(nats: Client, database: asyncpg.Connection, goal: Goal, on_left: Callable[[int], None]) -> None:
    """Wait until the engine has acknowledged and committed every uplink, and published every change."""
    least, moved_at = -1, time.monotonic()
    while True:
        info = await nats.jetstream().consumer_info(UPLINKS.name, UPLINKS.consumers[0].name)
        left = goal.sequence - (info.ack_floor.stream_seq if info.ack_floor else 0)
        if left <= 0 and await _readings(database) >= goal.readings and await _all_published(database):
            return
        if left != least:
            least, moved_at = left, time.monotonic()
            on_left(max(left, 0))
        elif time.monotonic() - moved_at > PATIENCE_SECONDS:
            missing = goal.readings - await _readings(database)
            raise OperatorError(f"{missing:,} uplinks have no reading; nothing moved for {PATIENCE_SECONDS:.0f} s.")
        await asyncio.sleep(POLL_SECONDS)


async def _all_published(database: asyncpg.Connection) -> bool:
    return not await database.fetchval("SELECT EXISTS (SELECT FROM occupancy.outbox)")


async def _last_sequence(nats: Client) -> int:
    return (await nats.jetstream().stream_info(UPLINKS.name)).state.last_seq


async def _readings(database: asyncpg.Connection) -> int:
    count: int = await database.fetchval("SELECT count(*) FROM occupancy.sensor_readings")
    return count
