"""A recorded week of real stays in Melbourne: the rollups against plain counts of the recording."""

import csv
import os
from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from occupancy_engine.rollups import Rollups
from occupancy_engine.settings import EngineSettings
from parking_chassis.postgres import open_pool

FOLDER = Path(os.environ.get("PARKSTREAM_RECORDED_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
STAYS_CSV = FOLDER / "melbourne_stays_2016-11-14_week.csv"
MELBOURNE = ZoneInfo("Australia/Melbourne")

pytestmark = pytest.mark.skipif(
    not STAYS_CSV.exists(), reason=f"no recorded stays in {FOLDER}; name their folder in PARKSTREAM_RECORDED_DATA"
)


def read_week() -> list[tuple[str, str, datetime, datetime]]:
    """Bay, area, arrival and departure of each stay."""
    with STAYS_CSV.open(encoding="utf-8") as file:
        return [
            (
                row["bay_marker"],
                row["area"],
                datetime.fromisoformat(row["arrived_at"]).replace(tzinfo=MELBOURNE),
                datetime.fromisoformat(row["departed_at"]).replace(tzinfo=MELBOURNE),
            )
            for row in csv.DictReader(file)
        ]


async def make_week(sql: asyncpg.Connection, stays: list[tuple[str, str, datetime, datetime]]) -> UUID:
    tenant, site = uuid4(), uuid4()
    await sql.execute("INSERT INTO gateway.tenants (id, name) VALUES ($1, 't')", tenant)
    await sql.execute(
        "INSERT INTO occupancy.sites (tenant_id, id, name, time_zone) VALUES ($1, $2, 's', 'Australia/Melbourne')",
        *(tenant, site),
    )
    ids = {bay: uuid4() for bay, *_ in stays}
    areas = {bay: area for bay, area, *_ in stays}
    await sql.executemany(
        """INSERT INTO occupancy.spaces (tenant_id, id, site_id, code, name, zone, sensor_eui, state, state_layer,
            state_since) VALUES ($1, $2, $3, $4, 'Bay', $5, $6, 'free', 'sensor', now())""",
        [(tenant, space, site, bay, areas[bay], f"{n:016x}") for n, (bay, space) in enumerate(ids.items())],
    )
    await sql.executemany(
        """INSERT INTO occupancy.stays (tenant_id, space_id, dev_eui, arrived_at, departed_at, arrived_session,
            arrived_f_cnt, departed_session, departed_f_cnt, received_at)
        VALUES ($1, $2, 'e', $3, $4, $3, 1, $4, 2, now())""",
        [(tenant, ids[bay], arrived, departed) for bay, _, arrived, departed in stays],
    )
    await sql.execute(
        """INSERT INTO occupancy.rollup_queue (tenant_id, space_id, from_at, until_at)
        SELECT tenant_id, space_id, arrived_at, departed_at FROM occupancy.stays"""
    )
    return tenant


def occupied_seconds(stays: list[tuple[str, str, datetime, datetime]]) -> int:
    """What any of a bay's stays covers, of all bays."""
    of_bay = defaultdict(list)
    for bay, _, arrived, departed in stays:
        of_bay[bay].append((arrived.timestamp(), departed.timestamp()))
    total = 0.0
    for intervals in of_bay.values():
        covered_until = 0.0
        for begins, ends in sorted(intervals):
            total += max(0.0, ends - max(begins, covered_until))
            covered_until = max(covered_until, ends)
    return int(total)


async def test_the_week_comes_out_as_plain_counting_of_the_recording_does(database) -> None:
    stays = read_week()
    sql = await asyncpg.connect(database)
    await make_week(sql, stays)
    pool = await open_pool(EngineSettings(database_url=database), role="occupancy_engine")
    await Rollups(pool, refresh_seconds=0.001).keep_up()
    await pool.close()
    days = await sql.fetch("SELECT day, arrivals FROM occupancy.zone_days WHERE level = 'site' AND arrivals > 0")
    assert {row["day"]: row["arrivals"] for row in days} == Counter(arrived.date() for _, _, arrived, _ in stays)
    told = await sql.fetchrow(
        """SELECT sum(occupied_seconds)::bigint AS occupied, sum(departures)::bigint AS departures
        FROM occupancy.zone_days WHERE level = 'site'"""
    )
    assert (told["occupied"], told["departures"]) == (occupied_seconds(stays), len(stays))
    areas = await sql.fetch(
        "SELECT zone, sum(arrivals) AS n FROM occupancy.zone_days WHERE level = 'zone' GROUP BY zone"
    )
    assert {row["zone"]: row["n"] for row in areas if row["n"]} == Counter(area for _, area, *_ in stays)
    assert max(row["day"] for row in days) < date(2017, 1, 1) < datetime.now(UTC).date()
    await sql.close()
