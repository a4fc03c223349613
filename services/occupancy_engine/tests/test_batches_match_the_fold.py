"""`take_in` on the real database: shuffled, repeated and late frames come to the pure fold of the life as sent.

The same question as the convergence tests of the domain, asked of the SQL: every batch is one transaction, many
devices share it, and the answer is read back from the tables.
"""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from occupancy_engine.batch import take_in
from occupancy_engine.decoders import Decoders
from occupancy_engine.domain.stays import Reading, fold
from occupancy_engine.orphans import take_in_stranded
from occupancy_engine.settings import EngineSettings
from occupancy_engine.store.orphans import insert_orphans
from parking_chassis.postgres import open_pool
from parking_codecs.registry import load_registry
from parking_contracts.uplink import UplinkReceived
from stack.platform import APPLICATION, NOON, SOURCE, uplink

DEVICES = 8
SESSIONS = 4


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(EngineSettings(database_url=database), role="occupancy_engine")
    yield opened
    await opened.close()


@pytest.fixture
def decoders() -> Decoders:
    return Decoders(load_registry(), {})


async def make_spaces(database: str, euis: list[str]) -> UUID:
    """A tenant with a space per device, assigned long ago."""
    tenant, site = uuid4(), uuid4()
    connection = await asyncpg.connect(database)
    await connection.execute("INSERT INTO gateway.tenants (id, name) VALUES ($1, 't')", tenant)
    await connection.execute(
        "INSERT INTO occupancy.sites (tenant_id, id, name, time_zone) VALUES ($1, $2, 's', 'UTC')", tenant, site
    )
    await connection.execute(
        "INSERT INTO occupancy.applications (source, application_id, tenant_id) VALUES ($1, $2, $3)",
        SOURCE,
        APPLICATION,
        tenant,
    )
    for number, eui in enumerate(euis):
        await connection.execute(
            "INSERT INTO occupancy.devices (tenant_id, dev_eui, assigned_at) VALUES ($1, $2, '2020-01-01Z')",
            tenant,
            eui,
        )
        await connection.execute(
            """INSERT INTO occupancy.spaces
                (tenant_id, site_id, code, name, sensor_eui, state, state_layer, state_since)
            VALUES ($1, $2, $3, 'n', $4, 'unknown', 'silence', now())""",
            tenant,
            site,
            f"B{number}",
            eui,
        )
    await connection.close()
    return tenant


def life(eui: str, dice: random.Random) -> list[UplinkReceived]:
    """A device's frames in order, some of them MAC-only, over a few sessions by join."""
    sent, at = [], NOON
    for session in range(dice.randint(1, SESSIONS)):
        f_cnt = dice.randint(0, 2)
        for _ in range(dice.randint(1, 25)):
            at += timedelta(seconds=dice.randint(1, 300))
            occupied = dice.choice([True, False, None])
            sent.append(uplink(eui, f_cnt, occupied, at=at, dev_addr=f"0000000{session}"))
            f_cnt += dice.choice([1, 1, 1, 2, 63, 64, 65, 200])
    return sent


def deliver(lives: dict[str, list[UplinkReceived]], dice: random.Random, disorder: float) -> list[UplinkReceived]:
    """All frames on one road; each is delayed by chance and a tenth comes again."""
    frames = [frame for sent in lives.values() for frame in sent]
    frames += dice.choices(frames, k=len(frames) // 10)
    span = frames[-1].received_at - NOON
    return sorted(frames, key=lambda one: one.received_at + dice.random() * disorder * span)


@pytest.mark.parametrize("disorder", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_what_is_stored_is_the_fold_of_what_was_sent(database, pool, decoders, seed, disorder):
    dice = random.Random(seed)
    lives = {eui: life(eui, dice) for eui in (f"0101{n:012x}" for n in range(DEVICES))}
    tenant = await make_spaces(database, list(lives))
    road = deliver(lives, dice, disorder)
    while road:
        size = dice.choice([1, 2, 10, 100, 500])
        batch, road = road[:size], road[size:]
        for _ in range(dice.choice([1, 1, 2])):  # the second time it is a redelivery
            async with pool.acquire() as connection, connection.transaction():
                await take_in(connection, batch, decoders)
    async with pool.acquire() as connection:
        for eui, sent in lives.items():
            await assert_matches(connection, tenant, eui, sent)


async def assert_matches(connection, tenant: UUID, eui: str, sent: list[UplinkReceived]) -> None:
    mine = (tenant, eui)
    stored = await connection.fetch(
        "SELECT occurred_at FROM occupancy.sensor_readings WHERE tenant_id = $1 AND dev_eui = $2", *mine
    )
    assert sorted(row["occurred_at"] for row in stored) == [frame.time for frame in sent]
    told = [
        Reading((datetime(2026, 1, 1, tzinfo=UTC), number), frame.time, frame.time, bool(frame.data[0] & 1))
        for number, frame in enumerate(sent)
        if frame.data
    ]
    stays = await connection.fetch(
        """SELECT id, arrived_at, departed_at FROM occupancy.stays
        WHERE tenant_id = $1 AND dev_eui = $2 ORDER BY arrived_at""",
        *mine,
    )
    expected = fold(told)
    assert [(row["arrived_at"], row["departed_at"]) for row in stays] == [
        (stay.arrived_at, stay.departed_at) for stay in expected
    ]
    device = await connection.fetchrow("SELECT * FROM occupancy.devices WHERE tenant_id = $1 AND dev_eui = $2", *mine)
    running = [row["id"] for row in stays if row["departed_at"] is None]
    assert ([device["open_stay_id"]] if device["open_stay_id"] else []) == running
    shown = await connection.fetchval(
        "SELECT state FROM occupancy.spaces WHERE tenant_id = $1 AND sensor_eui = $2", *mine
    )
    last = told[-1].occupied if told else None
    assert (device["occupied"], shown) == (last, {None: "unknown", True: "occupied", False: "free"}[last])


async def test_a_frame_repeated_in_one_batch_after_a_join_or_a_jump_is_stored_once(database, pool, decoders):
    eui = "0101010101010101"
    await make_spaces(database, [eui])
    first = uplink(eui, 1, True, dev_addr="0000000a")
    batches = (
        [first, uplink(eui, 0, True, at=NOON + timedelta(hours=2), dev_addr="0000000b"), first],
        [first, uplink(eui, 100, True, at=NOON + timedelta(hours=3), dev_addr="0000000b"), first],
    )
    for batch in batches:
        async with pool.acquire() as connection, connection.transaction():
            await take_in(connection, batch, decoders)
    repeated = uplink(eui, 2, True, at=NOON + timedelta(hours=2, minutes=2), dev_addr="0000000b")
    async with pool.acquire() as connection, connection.transaction():
        assert (await take_in(connection, [repeated, repeated], decoders)).duplicates == 1
        assert await connection.fetchval("SELECT count(*) FROM occupancy.sensor_readings") == 4


async def test_a_frame_that_became_an_orphan_while_its_application_was_bound_is_taken_in_later(
    database, pool, decoders
):
    eui, unreadable = "0101010101010101", "0101010101010102"
    tenant = await make_spaces(database, [eui])
    waiting = [
        (uplink(eui, 1, True), "unknown_application"),
        (uplink(unreadable, 1, True, device_profile_name="Unheard of"), "unknown_application"),
    ]
    async with pool.acquire() as connection:
        await insert_orphans(connection, waiting)
        await take_in_stranded(pool, decoders)
        assert await connection.fetchval("SELECT array_agg(dev_eui) FROM occupancy.sensor_readings") == [eui]
        assert await connection.fetchval("SELECT array_agg(reason) FROM occupancy.orphan_frames") == ["no_codec"]
        await connection.execute(
            "INSERT INTO occupancy.devices (tenant_id, dev_eui, codec) VALUES ($1, $2, 'bosch_tps110')",
            tenant,
            unreadable,
        )
        await take_in_stranded(pool, decoders)
        assert await connection.fetchval("SELECT count(*) FROM occupancy.sensor_readings") == 2
        assert await connection.fetchval("SELECT count(*) FROM occupancy.orphan_frames") == 0


async def test_an_orphan_of_a_device_that_a_mapping_has_read_meanwhile_is_taken_in_later(database, pool, decoders):
    eui = "0101010101010103"
    tenant = await make_spaces(database, [])
    nobodys = uplink(eui, 2, None, device_profile_name="Unheard of", f_port=0, data=b"")
    async with pool.acquire() as connection:
        await insert_orphans(connection, [(nobodys, "no_codec")])
        await connection.execute("UPDATE occupancy.applications SET object_mapping = $1", {"occupied_path": "car"})
        await connection.execute(
            "INSERT INTO occupancy.devices (tenant_id, dev_eui, codec_in_use) VALUES ($1, $2, 'object')", tenant, eui
        )
        await take_in_stranded(pool, decoders)
        assert await connection.fetchval("SELECT array_agg(f_cnt) FROM occupancy.sensor_readings") == [2]
        assert await connection.fetchval("SELECT count(*) FROM occupancy.orphan_frames") == 0
