"""The outbox on a real database and a real JetStream: what a transaction commits is published, once and in order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from nats.aio.client import Client

from parking_chassis import outbox_floor
from parking_chassis.outbox import Event, OutboxRelay, write_events
from parking_chassis.postgres import Pool
from stack.waiting import eventually

SUBJECT = "parking.v1.space.t.s.state_changed"


@asynccontextmanager
async def relay_on(pool: Pool, client: Client) -> AsyncIterator[OutboxRelay]:
    relay = OutboxRelay(pool, client, schema="occupancy", source="/test")
    running = asyncio.create_task(relay.run())
    yield relay
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def write(pool: Pool, first: int, count: int, *, subject: str = SUBJECT) -> None:
    """A subject with {} in it is about another thing each time."""
    numbers = range(first, first + count)
    events = [Event(subject=subject.format(n), type="test.v1", payload=b"%d" % n) for n in numbers]
    async with pool.acquire() as connection, connection.transaction():
        await write_events(connection, "occupancy", events)


async def published(client: Client) -> list[bytes]:
    context = client.jetstream()
    last = (await context.stream_info("SPACES")).state.last_seq
    return [(await context.get_msg("SPACES", seq)).data or b"" for seq in range(1, last + 1)]


async def left(pool: Pool) -> int:
    return await pool.fetchval("SELECT count(*) FROM occupancy.outbox")


async def drained(pool: Pool) -> bool:
    return await left(pool) == 0


async def test_committed_events_are_published_in_order_as_cloud_events_and_deleted(
    pool: Pool, nats_reconnecting: Client
):
    async with relay_on(pool, nats_reconnecting) as relay:
        await eventually(lambda: relay.is_relaying)
        await write(pool, 0, 1200)
        await eventually(lambda: drained(pool))

    assert await published(nats_reconnecting) == [b"%d" % number for number in range(1200)]
    headers = (await nats_reconnecting.jetstream().get_msg("SPACES", 1)).headers or {}
    assert headers["ce-type"] == "test.v1"
    assert headers["ce-source"] == "/test"
    assert headers["ce-id"] == headers["Nats-Msg-Id"]
    assert headers["ce-specversion"] == "1.0"


async def test_a_transaction_that_is_rolled_back_publishes_nothing(pool: Pool, nats_reconnecting: Client):
    async with relay_on(pool, nats_reconnecting) as relay:
        await eventually(lambda: relay.is_relaying)
        async with pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await write_events(connection, "occupancy", [Event(subject=SUBJECT, type="test.v1", payload=b"undone")])
            await transaction.rollback()
        await write(pool, 1, 1)
        await eventually(lambda: drained(pool))
    assert await published(nats_reconnecting) == [b"1"]


async def test_of_two_relays_one_works_and_the_other_takes_over(pool: Pool, nats_reconnecting: Client):
    async with relay_on(pool, nats_reconnecting) as first:
        await eventually(lambda: first.is_relaying)
        async with relay_on(pool, nats_reconnecting) as second:
            await write(pool, 0, 10)
            await eventually(lambda: drained(pool))
            assert not second.is_relaying
    async with relay_on(pool, nats_reconnecting) as third:
        await eventually(lambda: third.is_relaying)
        await write(pool, 10, 10)
        await eventually(lambda: drained(pool))
    assert await published(nats_reconnecting) == [b"%d" % number for number in range(20)]


async def test_it_goes_on_after_its_database_connection_was_cut(pool: Pool, nats_reconnecting: Client, database: str):
    async with relay_on(pool, nats_reconnecting) as relay:
        await eventually(lambda: relay.is_relaying)
        await cut_connections(database)
        await eventually(lambda: writes(pool))
        await eventually(lambda: drained(pool), 20)
    assert await published(nats_reconnecting) == [b"0", b"1", b"2"]


async def cut_connections(database: str) -> None:
    admin = await asyncpg.connect(database)
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'occupancy_engine'"
    )
    await admin.close()


async def writes(pool: Pool) -> bool:
    try:
        await write(pool, 0, 3)
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError):
        return False
    return True


async def test_an_id_taken_long_before_its_transaction_committed_is_not_passed_by(
    pool: Pool, nats_reconnecting: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(outbox_floor, "LOOK_BELOW_SECONDS", 3600.0)
    async with relay_on(pool, nats_reconnecting) as relay, pool.acquire() as earlier:
        await eventually(lambda: relay.is_relaying)
        # The one that commits late has the highest number of all transactions for a while, and the lowest one later.
        other = earlier.transaction()
        await other.start()
        await earlier.execute("SELECT pg_current_xact_id()")
        async with pool.acquire() as slow, slow.transaction():
            await slow.execute("SELECT pg_current_xact_id()")
            await write_events(slow, "occupancy", [Event(subject=SUBJECT, type="test.v1", payload=b"slow")])
            await write_events(earlier, "occupancy", [Event(subject=SUBJECT, type="test.v1", payload=b"other")])
            await other.commit()
            await eventually(lambda: drained(pool))
            for number in range(5):
                await write(pool, number, 1)
                await eventually(lambda: drained(pool))
        await write(pool, 5, 1)
        await eventually(lambda: drained(pool))
    assert await published(nats_reconnecting) == [b"other", b"0", b"1", b"2", b"3", b"4", b"slow", b"5"]


async def test_it_does_not_walk_over_what_it_has_published(
    pool: Pool, nats_reconnecting: Client, database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(outbox_floor, "LOOK_BELOW_SECONDS", 3600.0)
    admin = await asyncpg.connect(database)
    # As a backup does: while its snapshot is held, no vacuum and no index can forget what was deleted.
    async with relay_on(pool, nats_reconnecting) as relay, admin.transaction(isolation="repeatable_read"):
        await admin.fetchval("SELECT count(*) FROM occupancy.outbox")
        await eventually(lambda: relay.is_relaying)
        await write(pool, 0, 5_000, subject="parking.v1.space.t.s{}.state_changed")
        await eventually(lambda: drained(pool), 20)
        for number in range(40):
            await write(pool, number, 1)
            await eventually(lambda: drained(pool))
        await eventually(lambda: deletions_counted(pool, 5_040), 20)
        walked = await pool.fetchval(
            "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE schemaname = 'occupancy' AND relname = 'outbox'"
        )
    await admin.close()
    # 5,000 dead ones for each of the 40 would be 200,000.
    assert walked < 60_000


async def deletions_counted(pool: Pool, count: int) -> bool:
    told = await pool.fetchval(
        "SELECT n_tup_del FROM pg_stat_user_tables WHERE schemaname = 'occupancy' AND relname = 'outbox'"
    )
    return told == count
