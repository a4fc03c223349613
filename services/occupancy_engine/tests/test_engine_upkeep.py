"""Retention: partitions made ahead and dropped behind, rows pruned by the time of receipt, whatever the time zone."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from occupancy_engine.settings import EngineSettings, RetentionSettings
from occupancy_engine.store import upkeep
from parking_chassis.postgres import open_pool

DAY = timedelta(days=1)
RETENTION = RetentionSettings(keep_readings_days=30)
READING = """INSERT INTO occupancy.sensor_readings
    (tenant_id, dev_eui, session_at, f_cnt, received_at, occurred_at, f_port, payload)
    VALUES ($1, '0101010101010101', now(), 1, $2, now(), 1, '')"""


@pytest.fixture
async def superuser(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def engine(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection in the engine's role."""
    pool = await open_pool(EngineSettings(database_url=database), role="occupancy_engine")
    async with pool.acquire() as connection:
        yield connection
    await pool.close()


async def this_day(connection: asyncpg.Connection) -> datetime:
    """When the day began, in UTC and by the clock of the database; within a transaction it stays the same."""
    return await connection.fetchval("SELECT date_trunc('day', now(), 'UTC')")


async def names_around_now(connection: asyncpg.Connection, unit: str, *, behind: int, ahead: int) -> set[str]:
    """The default partition, and one for each day or month from so many behind this one to so many ahead."""
    rows = await connection.fetch(
        """SELECT to_char(date_trunc($1, now() AT TIME ZONE 'UTC') + n * ('1 ' || $1)::interval, 'YYYYMMDD') AS name
        FROM generate_series($2::integer, $3::integer) AS step (n)""",
        *(unit, -behind, ahead),
    )
    return {"other", *(row["name"] for row in rows)}


async def partitions(connection: asyncpg.Connection, parent: str) -> dict[str, int]:
    """Partition names behind the parent's, with how many rows each holds."""
    rows = await connection.fetch(
        """SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = ('occupancy.' || $1)::regclass ORDER BY 1""",
        parent,
    )
    names = [row["relname"] for row in rows]
    counts = [await connection.fetchval(f"SELECT count(*) FROM occupancy.{name}") for name in names]
    return {name.removeprefix(f"{parent}_"): count for name, count in zip(names, counts, strict=True)}


async def make_partition(connection: asyncpg.Connection, day: datetime) -> str:
    name = f"{day:%Y%m%d}"
    await connection.execute(
        f"""CREATE TABLE occupancy.sensor_readings_{name} PARTITION OF occupancy.sensor_readings
        FOR VALUES FROM ('{day.isoformat()}') TO ('{(day + DAY).isoformat()}')"""
    )
    return name


async def test_the_coming_days_and_months_have_partitions_once(superuser, engine):
    kinds = (("sensor_readings", "day", 3), ("state_changes", "month", 2))
    due = [await names_around_now(superuser, unit, behind=0, ahead=ahead) for _, unit, ahead in kinds]
    for _ in range(2):
        await upkeep.keep_partitions(engine, RETENTION)
    for (parent, unit, ahead), names in zip(kinds, due, strict=True):
        kept = set(await partitions(superuser, parent))
        assert kept >= names
        # The template may be of the day before, and midnight may have passed since the names were read.
        assert kept <= await names_around_now(superuser, unit, behind=1, ahead=ahead)


async def test_days_past_their_retention_are_dropped_whole(superuser, engine):
    async with engine.transaction():
        today = await this_day(engine)
        kept = await make_partition(superuser, today - 30 * DAY)
        dropped = await make_partition(superuser, today - 32 * DAY)
        for age in (30, 32):
            await superuser.execute(READING, uuid4(), today - age * DAY)
        await upkeep.keep_partitions(engine, RETENTION)
    days = await partitions(superuser, "sensor_readings")
    assert days[kept] == 1
    assert dropped not in days


async def test_rows_that_came_before_their_partition_move_into_it(superuser, engine):
    """After days of standstill uplinks may be quicker than the upkeep."""
    for name in await partitions(superuser, "sensor_readings"):
        if name != "other":
            await superuser.execute(f"DROP TABLE occupancy.sensor_readings_{name}")
    async with engine.transaction():
        today = await this_day(engine)
        for received_at in (today, today + DAY / 2, today + DAY, today + 300 * DAY):
            await superuser.execute(READING, uuid4(), received_at)
        await upkeep.keep_partitions(engine, RETENTION)
    days = await partitions(superuser, "sensor_readings")
    assert (days[f"{today:%Y%m%d}"], days[f"{today + DAY:%Y%m%d}"], days["other"]) == (2, 1, 1)


async def test_a_database_with_summer_time_has_days_without_gap_or_overlap(superuser, engine):
    await superuser.execute("SET timezone = 'Europe/Zurich'")
    async with superuser.transaction():
        today = await this_day(superuser)
        await superuser.execute("SELECT occupancy.keep_partitions('sensor_readings', 'day', 220, NULL)")
    for n in range(220):
        await superuser.execute(READING, uuid4(), today + n * DAY)
    days = await partitions(superuser, "sensor_readings")
    assert days.pop("other") == 0
    assert set(days.values()) <= {0, 1}
    assert sum(days.values()) == 220


async def test_orphans_and_answers_are_pruned_by_when_they_came(superuser, engine):
    await superuser.execute(
        """INSERT INTO occupancy.orphan_frames
            (source, application_id, dev_eui, deduplication_id, reason, envelope, received_at)
        SELECT 's', 'a', 'e', n::text, 'no_codec', '', now() - make_interval(days => n)
        FROM unnest(ARRAY[1, 29, 31, 100]) AS old (n)"""
    )
    await superuser.execute(
        """INSERT INTO occupancy.inbox (tenant_id, caller, idempotency_key, body_sha256, reply, answered_at)
        SELECT gen_random_uuid(), 'c', n::text, '', '', now() - make_interval(days => n)
        FROM unnest(ARRAY[1, 6, 8]) AS old (n)"""
    )
    await upkeep.prune(engine, RETENTION)
    assert await superuser.fetchval("SELECT count(*) FROM occupancy.orphan_frames") == 2
    assert await superuser.fetchval("SELECT count(*) FROM occupancy.inbox") == 2


async def test_a_stay_is_kept_by_when_it_was_heard_and_while_it_runs(superuser, engine):
    tenant, site, space = uuid4(), uuid4(), uuid4()
    await superuser.execute("INSERT INTO gateway.tenants (id, name) VALUES ($1, 't')", tenant)
    await superuser.execute(
        "INSERT INTO occupancy.sites (tenant_id, id, name, time_zone) VALUES ($1, $2, 's', 'UTC')", tenant, site
    )
    await superuser.execute(
        """INSERT INTO occupancy.spaces (tenant_id, id, site_id, code, name, state, state_layer, state_since)
        VALUES ($1, $2, $3, 'c', 'n', 'free', 'default', now())""",
        tenant,
        space,
        site,
    )
    for number, (happened, received, ended) in enumerate(
        [(5000, 1, True), (1, 399, True), (5000, 401, True), (5000, 402, False)]
    ):
        await superuser.execute(
            """INSERT INTO occupancy.stays
                (tenant_id, space_id, dev_eui, arrived_at, departed_at, arrived_session, arrived_f_cnt, received_at)
            VALUES ($1, $2, '0101010101010101', now() - make_interval(days => $3), CASE WHEN $5 THEN now() END, now(),
                $6, now() - make_interval(days => $4))""",
            *(tenant, space, happened, received, ended, number),
        )
    await upkeep.prune(engine, RETENTION)
    left = await superuser.fetch("SELECT arrived_f_cnt FROM occupancy.stays ORDER BY arrived_f_cnt")
    assert [row["arrived_f_cnt"] for row in left] == [0, 1, 3]


async def test_an_alert_is_kept_until_it_has_been_closed_for_long_enough(superuser, engine):
    tenant_id, year, today = uuid4(), 365 * DAY, await this_day(superuser)
    await superuser.execute("INSERT INTO gateway.tenants (id, name) VALUES ($1, 'test')", tenant_id)
    for kind, closed_at in (("open", None), ("closed", today - year), ("forgotten", today - 2 * year)):
        await superuser.execute(
            """INSERT INTO occupancy.alerts (tenant_id, source, key, kind, severity, summary, opened_at, closed_at)
            VALUES ($1, 'test', $2, $2, 'info', '', $3, $4)""",
            *(tenant_id, kind, today - 3 * year, closed_at),
        )
    await upkeep.prune(engine, RETENTION)
    assert {row["kind"] for row in await superuser.fetch("SELECT kind FROM occupancy.alerts")} == {"open", "closed"}
