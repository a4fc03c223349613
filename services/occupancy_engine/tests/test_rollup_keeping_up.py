"""Rollups after any life of the stays are what the stays alone come to: late, repaired, moved, silent, recorded."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import pytest

from occupancy_engine.batch import take_in
from occupancy_engine.decoders import Decoders
from occupancy_engine.rollups import Rollups
from occupancy_engine.settings import EngineSettings, RetentionSettings
from occupancy_engine.store import upkeep
from parking_chassis.postgres import open_pool
from parking_codecs.registry import load_registry
from parking_contracts.uplink import UplinkReceived
from stack.platform import APPLICATION, SOURCE, uplink

ZONE = "Australia/Lord_Howe"
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture
async def pool(database: str) -> AsyncIterator[asyncpg.Pool]:
    opened = await open_pool(EngineSettings(database_url=database), role="occupancy_engine")
    yield opened
    await opened.close()


class Street:
    """A site with spaces, whose past begins ten days ago."""

    def __init__(self, sql: asyncpg.Connection, pool: asyncpg.Pool) -> None:
        self.sql, self.pool = sql, pool
        self.tenant, self.site = uuid4(), uuid4()
        self.rollups = Rollups(pool, refresh_seconds=0.001)
        self.decoders = Decoders(load_registry(), {})
        self.numbers = iter(range(1, 1000))

    async def build(self, *, clock: str = "live", time_zone: str = ZONE) -> None:
        await self.sql.execute("INSERT INTO gateway.tenants (id, name) VALUES ($1, 't')", self.tenant)
        await self.sql.execute(
            "INSERT INTO occupancy.sites (tenant_id, id, name, time_zone) VALUES ($1, $2, 's', $3)",
            *(self.tenant, self.site, time_zone),
        )
        await self.sql.execute(
            "INSERT INTO occupancy.applications (source, application_id, tenant_id, clock) VALUES ($1, $2, $3, $4)",
            *(SOURCE, APPLICATION, self.tenant, clock),
        )

    async def space(self, zone: str | None = "A", kind: str = "standard") -> tuple[UUID, str]:
        """A space made ten days ago, and the EUI of its sensor."""
        number = next(self.numbers)
        eui = f"0101{number:012x}"
        await self.sql.execute(
            "INSERT INTO occupancy.devices (tenant_id, dev_eui, assigned_at) VALUES ($1, $2, $3)",
            *(self.tenant, eui, NOW - 10 * DAY),
        )
        space_id = await self.sql.fetchval(
            """INSERT INTO occupancy.spaces
                (tenant_id, site_id, code, name, zone, kind, sensor_eui, state, state_layer, state_since, created_at)
            VALUES ($1, $2, $3, 'n', $4, $5, $6, 'unknown', 'silence', now(), $7) RETURNING id""",
            *(self.tenant, self.site, f"B{number}", zone, kind, eui, NOW - 10 * DAY),
        )
        return space_id, eui

    async def hear(self, *frames: UplinkReceived) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            await take_in(connection, frames, self.decoders)

    async def zone_days(self) -> list[tuple[Any, ...]]:
        """Everything but when it was written."""
        rows = await self.sql.fetch("SELECT * FROM occupancy.zone_days ORDER BY level, zone, kind, day")
        hidden = ("updated_at", "computed_until", "tenant_id", "site_id")
        return [tuple(value for name, value in row.items() if name not in hidden) for row in rows]

    async def space_days(self) -> list[tuple[Any, ...]]:
        rows = await self.sql.fetch("SELECT * FROM occupancy.space_days ORDER BY day, space_id, zone, kind")
        return [tuple(value for name, value in row.items() if name != "updated_at") for row in rows]

    async def figure(self, column: str, *, level: str = "site", zone: str = "", day: date | None = None) -> int:
        found = await self.sql.fetchval(
            f"""SELECT coalesce(sum({column}), 0)::bigint FROM occupancy.zone_days
            WHERE level = $1 AND zone = $2 AND ($3::date IS NULL OR day = $3)""",
            *(level, zone, day),
        )
        return int(found)

    async def from_scratch(self) -> None:
        """Forget every figure, and compute all of them again."""
        for table in ("zone_days", "space_days", "rollup_sites", "rollup_running_stays", "rollup_queue"):
            await self.sql.execute(f"DELETE FROM occupancy.{table}")
        await self.sql.execute(
            """INSERT INTO occupancy.rollup_queue (tenant_id, space_id, from_at, until_at)
            SELECT tenant_id, space_id, arrived_at, coalesce(departed_at, now()) FROM occupancy.stays"""
        )
        await self.rollups.keep_up()


@pytest.fixture
async def street(database: str, pool: asyncpg.Pool) -> AsyncIterator[Street]:
    sql = await asyncpg.connect(database)
    yield Street(sql, pool)
    await sql.close()


def without_the_running_day(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Today goes on while it is compared."""
    today = NOW.astimezone(ZoneInfo(ZONE)).date()
    return [row for row in rows if not any(type(value) is date and value >= today for value in row)]


def life(eui: str, dice: random.Random, days: int = 8) -> list[UplinkReceived]:
    """Readings from `days` ago until an hour ago."""
    sent, at, f_cnt = [], NOW - days * DAY, 0
    while at < NOW - timedelta(hours=1):
        sent.append(uplink(eui, f_cnt, dice.random() < 0.5, at=at))
        at += timedelta(seconds=dice.randint(60, 40_000))
        f_cnt += 1
    return sent


@pytest.mark.parametrize("seed", range(6))
async def test_however_late_the_readings_the_figures_are_those_of_the_stays(street, seed) -> None:
    """Frames shuffled and repeated, passes in between, spaces that move meanwhile: as computed from scratch."""
    dice = random.Random(seed)
    await street.build()
    places = [("A", "standard"), ("A", "ev"), ("B", "standard"), (None, "standard")]
    spaces = [await street.space(*place) for place in places * 2]
    road = [frame for _, eui in spaces for frame in life(eui, dice)]
    disorder = dice.choice([0, 2, 8]) * DAY
    road.sort(key=lambda frame: frame.time + dice.random() * disorder)
    # Heard late, but sent when they say: what a network server's time stamps tell.
    road = [msgspec.structs.replace(frame, received_at=max(frame.time, NOW - 6 * DAY)) for frame in road]
    while road:
        size = dice.choice([1, 5, 40])
        batch, road = road[:size], road[size:]
        await street.hear(*batch)
        if dice.random() < 0.2:
            await street.rollups.keep_up()
        if dice.random() < 0.1:
            await street.sql.execute(
                "UPDATE occupancy.spaces SET zone = $1 WHERE id = $2", dice.choice("ABC"), dice.choice(spaces)[0]
            )
        if dice.random() < 0.1:
            await street.sql.execute("UPDATE occupancy.devices SET silent = random() < 0.5")
    await street.rollups.keep_up()
    kept = (await street.zone_days(), await street.space_days())
    await street.from_scratch()
    fresh = (await street.zone_days(), await street.space_days())
    assert without_the_running_day(kept[0]) == without_the_running_day(fresh[0])
    assert without_the_running_day(kept[1]) == without_the_running_day(fresh[1])
    assert len(without_the_running_day(kept[0])) >= 7 * 4
    await assert_equals_plain_sums(street)


async def assert_equals_plain_sums(street: Street) -> None:
    """The sum over all days is the sum over all stays, by PostgreSQL's own arithmetic."""
    ended = await street.sql.fetchrow(
        """SELECT count(*) FILTER (WHERE departed_session IS NOT NULL) AS departures, count(*) AS arrivals,
            coalesce(sum(extract(epoch FROM departed_at - arrived_at)) FILTER (WHERE departed_session IS NOT NULL), 0)
                AS dwell FROM occupancy.stays"""
    )
    assert await street.figure("arrivals") == ended["arrivals"]
    assert await street.figure("departures") == ended["departures"]
    assert abs(await street.figure("dwell_seconds") - ended["dwell"]) <= ended["departures"]
    counts = await street.sql.fetchval(
        "SELECT coalesce(sum(n), 0) FROM occupancy.zone_days, unnest(dwell_counts) n WHERE level = 'site'"
    )
    assert counts == ended["departures"]
    for level in ("zone", "kind", "zone_kind"):
        total = "SELECT sum(occupied_seconds) FROM occupancy.zone_days WHERE level = $1"
        assert await street.sql.fetchval(total, level) == await street.figure("occupied_seconds")


async def test_a_running_stay_counts_until_now_and_ends_where_it_ended(street) -> None:
    await street.build()
    _, eui = await street.space()
    began = datetime.now(UTC) - 3 * DAY
    await street.hear(uplink(eui, 1, True, at=began))
    await street.rollups.keep_up()
    running = await street.figure("occupied_seconds")
    assert abs(running - 3 * 86_400) < 120
    await street.hear(uplink(eui, 2, False, at=began + timedelta(hours=5)))
    await street.rollups.keep_up()
    assert await street.figure("occupied_seconds") == 5 * 3600
    assert (await street.figure("arrivals"), await street.figure("departures")) == (1, 1)


async def test_a_silent_sensors_stay_counts_until_its_last_word_and_further_once_it_speaks_again(street) -> None:
    await street.build()
    _, eui = await street.space()
    began = datetime.now(UTC) - 4 * DAY
    await street.hear(uplink(eui, 1, True, at=began), uplink(eui, 2, True, at=began + timedelta(hours=6)))
    await street.rollups.keep_up()
    await street.sql.execute("UPDATE occupancy.devices SET silent = true")
    await street.rollups.keep_up()
    assert await street.figure("occupied_seconds") == 6 * 3600
    await street.hear(uplink(eui, 3, True, at=NOW - DAY))
    await street.rollups.keep_up()
    assert abs(await street.figure("occupied_seconds") - 4 * 86_400) < 120


async def test_a_recording_from_years_ago_fills_its_own_days_alone(street) -> None:
    await street.build(clock="recorded", time_zone="Australia/Melbourne")
    _, eui = await street.space()
    then = datetime(2016, 11, 14, 9, tzinfo=UTC)
    frames = [
        uplink(eui, number, occupied, at=then + timedelta(hours=number), received_at=NOW)
        for number, occupied in enumerate((True, False, True))
    ]
    await street.hear(*frames)
    await street.rollups.keep_up()
    days = await street.sql.fetch(
        """SELECT day, occupied_seconds, watched_seconds FROM occupancy.zone_days
        WHERE level = 'site' AND day < '2017-01-01'"""
    )
    assert [tuple(row) for row in days] == [(date(2016, 11, 14), 3600, 86_400)]
    assert await street.sql.fetchval("SELECT count(*) FROM occupancy.zone_days WHERE level = 'site'") <= 13
    await street.sql.execute("UPDATE occupancy.sites SET time_zone = 'America/Denver'")
    await street.rollups.keep_up()
    assert await street.figure("occupied_seconds", day=date(2016, 11, 14)) == 3600


async def test_a_space_that_moves_keeps_its_past_where_it_was(street) -> None:
    await street.build()
    space_id, eui = await street.space("A")
    began = datetime.now(UTC) - 3 * DAY
    await street.hear(uplink(eui, 1, True, at=began), uplink(eui, 2, False, at=began + timedelta(hours=1)))
    await street.sql.execute("UPDATE occupancy.spaces SET zone = 'B' WHERE id = $1", space_id)
    await street.rollups.keep_up()
    assert await street.figure("occupied_seconds", level="zone", zone="A") == 3600
    assert await street.figure("occupied_seconds", level="zone", zone="B") == 0
    places = await street.sql.fetch(
        "SELECT zone, until_at = 'infinity' AS now FROM occupancy.space_placements ORDER BY 2"
    )
    assert [tuple(row) for row in places] == [("A", False), ("B", True)]


async def test_what_uplinks_write_leaves_a_spaces_place_alone(street) -> None:
    await street.build()
    space_id, eui = await street.space("A")
    await street.hear(uplink(eui, 1, True, at=NOW - DAY))
    await street.sql.execute("UPDATE occupancy.spaces SET name = 'new', sensor_eui = $2 WHERE id = $1", space_id, eui)
    assert await street.sql.fetchval("SELECT count(*) FROM occupancy.space_placements") == 1
    await street.sql.execute("UPDATE occupancy.spaces SET deleted_at = now() WHERE id = $1", space_id)
    assert await street.sql.fetchval("SELECT until_at <= clock_timestamp() FROM occupancy.space_placements")


async def test_a_new_time_zone_cuts_every_day_anew(street) -> None:
    await street.build(time_zone="UTC")
    _, eui = await street.space()
    began = (NOW - 3 * DAY).replace(hour=12, minute=30, second=0, microsecond=0)
    await street.hear(uplink(eui, 1, True, at=began), uplink(eui, 2, False, at=began + timedelta(hours=1)))
    await street.rollups.keep_up()
    assert await street.figure("occupied_seconds", day=began.date()) == 3600
    await street.sql.execute(
        "UPDATE occupancy.sites SET time_zone = 'Pacific/Auckland'"
    )  # midnight there is 11:00 or 12:00
    await street.rollups.keep_up()
    assert await street.figure("occupied_seconds", day=began.date() + DAY) == 3600
    assert await street.figure("occupied_seconds") == 3600


async def test_a_site_in_a_zone_that_postgresql_does_not_know_keeps_no_other_site_from_its_figures(street) -> None:
    await street.build()
    await street.space()
    strange = Street(street.sql, street.pool)
    await street.sql.execute("INSERT INTO gateway.tenants (id, name) VALUES ($1, 'u')", strange.tenant)
    await street.sql.execute(
        "INSERT INTO occupancy.sites (tenant_id, id, name, time_zone) VALUES ($1, $2, 's', 'Mars/Olympus')",
        *(strange.tenant, strange.site),
    )
    await strange.space()
    assert await street.rollups.keep_up() > 0
    assert await street.sql.fetchval("SELECT array_agg(site_id) FROM occupancy.rollup_sites") == [street.site]


async def test_rollups_are_kept_as_long_as_the_stays_they_come_from(street) -> None:
    await street.build()
    _, eui = await street.space()
    await street.hear(uplink(eui, 1, True, at=NOW - DAY), uplink(eui, 2, False, at=NOW - DAY + timedelta(hours=1)))
    await street.rollups.keep_up()
    for table in ("zone_days", "space_days"):
        await street.sql.execute(
            f"UPDATE occupancy.{table} SET updated_at = now() - CASE WHEN day < $1 THEN interval '401 days' "
            "ELSE interval '399 days' END",
            NOW.date() - 3 * DAY,
        )
    async with street.pool.acquire() as connection:
        await upkeep.prune(connection, RetentionSettings())
    for table in ("zone_days", "space_days"):
        assert await street.sql.fetchval(f"SELECT min(day) FROM occupancy.{table}") == NOW.date() - 3 * DAY


async def test_only_one_engine_computes(street, pool, database) -> None:
    await street.build()
    await street.space()
    other = await asyncpg.connect(database)
    await other.execute("SELECT pg_advisory_lock(hashtextextended('occupancy.rollups', 0))")
    assert await street.rollups.keep_up() == 0
    await other.close()
    assert await street.rollups.keep_up() > 0
    just_done = Rollups(pool, refresh_seconds=3600)
    assert await just_done.keep_up() == 0
