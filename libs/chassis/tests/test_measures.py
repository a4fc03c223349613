"""What the chassis measures by itself: the bus, outboxes, pools, checks and clocks."""

import asyncio
from typing import Any

import asyncpg
import pytest
from nats.errors import Error as NatsError
from prometheus_client import REGISTRY

from parking_chassis.bus_measures import BusMeasures
from parking_chassis.clock import every
from parking_chassis.health import Health
from parking_chassis.outbox import Event, OutboxRelay, write_events
from parking_chassis.outbox_measures import OutboxMeasures
from parking_chassis.postgres import open_pool
from parking_chassis.settings import DatabaseSettings
from parking_contracts import streams, subjects
from parking_contracts.errors import DeadLetterCode
from stack.servers import NatsAccount
from stack.waiting import eventually


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


async def test_a_stream_says_how_full_it_is_and_how_far_behind_its_consumers_are(nats_account: NatsAccount) -> None:
    client = await nats_account.connect()
    jetstream = client.jetstream()
    before = (await jetstream.stream_info("UPLINKS")).state.last_seq
    for _ in range(3):
        await jetstream.publish(subjects.uplink("0011223344556677"), b"{}")
    subscription = await jetstream.pull_subscribe_bind("occupancy_engine", "UPLINKS")
    await subscription.fetch(1)

    await BusMeasures(client, [streams.UPLINKS]).measure_bus()

    assert value("parkstream_stream_messages", stream="UPLINKS") == 3
    assert value("parkstream_stream_last_sequence", stream="UPLINKS") == before + 3
    assert value("parkstream_stream_limit_bytes", stream="UPLINKS") == streams.UPLINKS.max_bytes
    assert (value("parkstream_stream_bytes", stream="UPLINKS") or 0) > 0
    engine = {"stream": "UPLINKS", "consumer": "occupancy_engine"}
    assert value("parkstream_consumer_pending", **engine) == 2
    assert value("parkstream_consumer_ack_pending", **engine) == 1


async def test_dead_letters_are_counted_by_service_and_code(nats_account: NatsAccount) -> None:
    client = await nats_account.connect()
    jetstream = client.jetstream()
    measures = BusMeasures(client, [streams.DEAD_LETTERS])
    for code in (DeadLetterCode.INVALID_EVENT, DeadLetterCode.INVALID_EVENT, DeadLetterCode.CODEC_FAILURE):
        await jetstream.publish(subjects.dead_letter("occupancy_engine", code), b"{}")
    await measures.measure_bus()
    assert value("parkstream_dead_letters", service="occupancy_engine", code=DeadLetterCode.INVALID_EVENT) == 2
    assert value("parkstream_dead_letters", service="occupancy_engine", code=DeadLetterCode.CODEC_FAILURE) == 1

    await jetstream.purge_stream(
        "DEAD_LETTERS", subject=subjects.dead_letter("occupancy_engine", DeadLetterCode.INVALID_EVENT)
    )
    await measures.measure_bus()
    assert value("parkstream_dead_letters", service="occupancy_engine", code=DeadLetterCode.INVALID_EVENT) is None


async def test_a_bus_that_does_not_answer_leaves_no_old_figures(nats_account: NatsAccount) -> None:
    client = await nats_account.connect()
    measures = BusMeasures(client, [streams.SPACES])
    await measures.measure_bus()
    assert value("parkstream_stream_messages", stream="SPACES") == 0
    await client.close()
    with pytest.raises(NatsError):
        await measures.measure_bus()
    assert value("parkstream_stream_messages", stream="SPACES") is None


async def test_an_outbox_says_how_much_waits_and_since_when(database: str, nats_account: NatsAccount) -> None:
    pool = await open_pool(DatabaseSettings(database_url=database), role="reservation_service")
    relay = OutboxRelay(pool, await nats_account.connect(), schema="reservation", source="/test")
    measures = OutboxMeasures(pool, relay, schema="reservation")
    await measures.measure_outbox()
    assert value("parkstream_outbox_events", schema="reservation") == 0
    assert value("parkstream_outbox_oldest_seconds", schema="reservation") == 0
    assert value("parkstream_outbox_relaying", schema="reservation") == 0

    async with pool.acquire() as connection:
        await write_events(connection, "reservation", [Event(subject="s", type="t", payload=b"{}")] * 2)
    await measures.measure_outbox()
    assert value("parkstream_outbox_events", schema="reservation") == 2
    assert (value("parkstream_outbox_oldest_seconds", schema="reservation") or 0) > 0
    await pool.close()


async def test_a_pool_says_how_many_wait_for_it(database: str) -> None:
    settings = DatabaseSettings(database_url=database, database_pool_size=2)
    pool = await open_pool(settings, role="reservation_service", name="crowded")
    held = [await pool.acquire() for _ in range(2)]
    waiting = [asyncio.create_task(_acquire(pool)) for _ in range(3)]
    await eventually(lambda: value("parkstream_pool_waiters", pool="crowded") == 3)
    assert value("parkstream_pool_connections", pool="crowded", state="in_use") == 2
    assert value("parkstream_pool_limit", pool="crowded") == 2

    for connection in held:
        await pool.release(connection)
    await asyncio.gather(*waiting)
    assert value("parkstream_pool_waiters", pool="crowded") == 0
    assert value("parkstream_pool_connections", pool="crowded", state="in_use") == 0
    await pool.close()
    assert value("parkstream_pool_waiters", pool="crowded") is None


async def _acquire(pool: Any) -> None:
    async with pool.acquire():
        pass


async def test_a_check_is_told_of_without_being_asked_for() -> None:
    health = Health("test", "1")
    broken: list[str] = ["it is away"]

    async def check() -> str | None:
        return broken[0] if broken else None

    health.add_check("thing", check)
    health.add_warning("nicety", check)
    watching = asyncio.create_task(health.watch())
    await eventually(lambda: value("parkstream_check_ok", check="thing", needed="yes") == 0)
    await eventually(lambda: value("parkstream_check_ok", check="nicety", needed="no") == 0)
    watching.cancel()
    broken.clear()
    watching = asyncio.create_task(health.watch())
    await eventually(lambda: value("parkstream_check_ok", check="thing", needed="yes") == 1)
    watching.cancel()


async def test_a_clock_says_when_it_last_ended_well() -> None:
    stop = asyncio.Event()
    rounds: list[int] = []

    async def work() -> None:
        rounds.append(1)
        if len(rounds) == 1:
            raise asyncpg.TooManyConnectionsError("away")
        stop.set()

    await every(0.01, stop, work, name="test_clock")
    assert value("parkstream_clock_period_seconds", clock="test_clock") == 0.01
    assert (value("parkstream_clock_ended_timestamp_seconds", clock="test_clock") or 0) > 0
    assert value("parkstream_clock_round_seconds_count", clock="test_clock") == 2
