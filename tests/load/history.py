"""`python -m load.history`: how quick and how right statistics are over a year of a city, as the platform answers them.

In: how many spaces, zones, days. A year of stays is made up in PostgreSQL, the running engine computes the rollups,
and every question is asked over HTTP. Out: medians and p99 of each, and how far from the stays themselves they are.
"""

import asyncio
import math
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated
from uuid import UUID

import asyncpg
import httpx
import typer
from rich.console import Console
from rich.table import Table

from load.figures import machine
from load.running_platform import running_platform
from parkstream.migrate import connect as connect_database
from parkstream.platform_access import find_tenant
from stack.waiting import eventually

console = Console(highlight=False)
WARM_UPS = 2
SLOT = timedelta(days=1) / 15
COMPUTING_SECONDS = 3600.0
QUESTIONS = {
    "occupancy by day": "occupancy?interval=day",
    "occupancy by hour": "occupancy?interval=hour",
    "occupancy by day, each zone": "occupancy?interval=day&group_by=zone",
    "occupancy by month, each zone": "occupancy?interval=month&group_by=zone",
    "occupancy by week, each kind": "occupancy?interval=week&group_by=kind",
    "occupancy by hour of one zone": "occupancy?interval=hour&zone=Z07",
    "profile": "profile?",
    "turnover by month, each zone": "turnover?interval=month&group_by=zone",
    "dwell": "dwell?",
    "dwell of each zone": "dwell?group_by=zone",
    "peak of each zone": "peak?group_by=zone",
    "spaces by occupancy": "spaces?limit=100",
}
SPACES = """
    WITH numbers AS (SELECT n, 'Z' || lpad((n % $3)::text, 2, '0') AS zone FROM generate_series(1, $4) n)
    INSERT INTO occupancy.spaces (tenant_id, site_id, code, name, zone, kind, sensor_eui, state, state_layer,
                                  state_since, created_at)
    SELECT $1, $2, 'S' || n, 'Bay', zone, CASE WHEN n % 20 < 17 THEN 'standard' WHEN n % 20 = 17 THEN 'ev'
           ELSE 'accessible' END, lpad(to_hex(n), 16, '0'), 'free', 'sensor', now(), $5 FROM numbers
"""
# Each space's day has as many slots as stays; a stay begins early in its slot and never outlasts it.
STAYS = """
    INSERT INTO occupancy.stays (tenant_id, space_id, dev_eui, arrived_at, departed_at, arrived_session, arrived_f_cnt,
                                 departed_session, departed_f_cnt, received_at)
    SELECT $1, id, sensor_eui, arrived_at, departed_at, arrived_at, 1, departed_at, 2, departed_at FROM (
        SELECT s.id, s.sensor_eui, slot + random() * $4::interval * 0.3 AS arrived_at,
               slot + $4::interval * 0.3
                   + least(exp(random_normal(6.5, 1.0)) * interval '1 second', $4::interval * 0.65) AS departed_at
        FROM occupancy.spaces s
        CROSS JOIN generate_series($2::timestamptz, $3::timestamptz - $4::interval, $4::interval) AS slot
        WHERE s.tenant_id = $1
    ) made
"""
# What was shown, of the last month alone: a question about an instant looks for the change next to it.
CHANGES = """
    INSERT INTO occupancy.state_changes (tenant_id, space_id, version, previous, state, layer, reason, source, cause,
                                         occurred_at, changed_at)
    SELECT tenant_id, space_id, row_number() OVER (PARTITION BY space_id ORDER BY at), previous, state, 'sensor', '',
           'uplink', 'made', at, at
    FROM occupancy.stays, LATERAL (VALUES (arrived_at, 'free', 'occupied'), (departed_at, 'occupied', 'free'))
        AS change (at, previous, state)
    WHERE tenant_id = $1 AND arrived_at >= $2::timestamptz - interval '30 days'
"""


@dataclass
class Year:
    """A year of a made-up city in a running platform's database."""

    database: asyncpg.Connection
    tenant_id: UUID
    first: date
    end: date

    @property
    def period(self) -> str:
        """As a query."""
        return f"from={self.first}&to={self.end}"


async def make_year(database: asyncpg.Connection, tenant_id: UUID, *, spaces: int, zones: int, days: int) -> Year:
    """Site, spaces, and fifteen stays per space and day, until last midnight in Zurich."""
    row = await database.fetchrow(
        """
        SELECT today, today - $1::int AS first, (today - $1::int)::timestamp AT TIME ZONE 'Europe/Zurich' AS begins_at,
               today::timestamp AT TIME ZONE 'Europe/Zurich' AS ends_at
        FROM (SELECT (now() AT TIME ZONE 'Europe/Zurich')::date AS today) d
        """,
        days,
    )
    site = await database.fetchval(
        "INSERT INTO occupancy.sites (tenant_id, name, time_zone) VALUES ($1, 'City', 'Europe/Zurich') RETURNING id",
        tenant_id,
    )
    # The stays come first for the engine: it must not compute days that have none yet.
    async with database.transaction():
        await database.execute(SPACES, tenant_id, site, zones, spaces, row["begins_at"])
        await database.execute("SET LOCAL session_replication_role = replica")  # spares 5 million look-ups of spaces
        await database.execute(STAYS, tenant_id, row["begins_at"], row["ends_at"], SLOT)
        await database.execute(CHANGES, tenant_id, row["ends_at"])
    for table in ("stays", "state_changes"):
        await database.execute(f"VACUUM ANALYZE occupancy.{table}")
    return Year(database, tenant_id, row["first"], row["today"])


async def computed(year: Year) -> bool:
    """Whether the engine has done every day."""
    asked = "SELECT count(*) FROM occupancy.zone_days WHERE tenant_id = $1 AND level = 'site' AND day < $2"
    done = await year.database.fetchval(asked, year.tenant_id, year.end)
    asked = "SELECT count(*) FROM occupancy.rollup_days_due WHERE tenant_id = $1"
    due = await year.database.fetchval(asked, year.tenant_id)
    return bool(done >= (year.end - year.first).days and due == 0)


async def timed(ask: Callable[[], Awaitable[httpx.Response]]) -> tuple[float, httpx.Response]:
    """Milliseconds and the answer."""
    began = time.perf_counter()
    answer = await ask()
    milliseconds = (time.perf_counter() - began) * 1000
    assert answer.status_code == 200, answer.text
    return milliseconds, answer


async def ask_everything(client: httpx.AsyncClient, year: Year, runs: int) -> Table:
    """Every question, again and again."""
    table = Table("question", "median", "p99", "answer")
    at = f"{year.end - timedelta(days=min(15, (year.end - year.first).days))}T12:00:00Z"
    questions = {name: f"{what}&{year.period}" for name, what in QUESTIONS.items()}
    questions |= {"state at an instant, shown": f"at?at={at}", "state at an instant, stays": f"at?at={at}&basis=stays"}
    for name, what in questions.items():
        taken = []
        for number in range(WARM_UPS + runs):
            milliseconds, answer = await timed(lambda what=what: client.get(f"/api/v6/statistics/{what}"))  # type: ignore[misc]
            if number >= WARM_UPS:
                taken.append(milliseconds)
        p99 = sorted(taken)[math.ceil(0.99 * len(taken)) - 1]
        table.add_row(name, f"{statistics.median(taken):.0f} ms", f"{p99:.0f} ms", f"{len(answer.content):,} bytes")
    return table


async def compare(client: httpx.AsyncClient, year: Year) -> str:
    """The whole year's dwell and occupancy against the stays themselves."""
    dwell = (await client.get(f"/api/v6/statistics/dwell?{year.period}")).json()["series"][0]
    exact = await year.database.fetchrow(
        """
        SELECT count(*) AS stays, percentile_disc(ARRAY[0.5, 0.9, 0.95, 0.99]) WITHIN GROUP (
                   ORDER BY extract(epoch FROM departed_at - arrived_at)::float8) AS quantiles,
               sum(extract(epoch FROM date_trunc('second', departed_at) - date_trunc('second', arrived_at)))::bigint
                   AS occupied
        FROM occupancy.stays WHERE tenant_id = $1
        """,
        year.tenant_id,
    )
    told = [dwell[f"{name}_seconds"] for name in ("p50", "p90", "p95", "p99")]
    worst = max(abs(mine / true - 1) for mine, true in zip(told, exact["quantiles"], strict=True))
    months = (await client.get(f"/api/v6/statistics/occupancy?interval=month&{year.period}")).json()["series"][0]
    occupied = sum(point["occupied_seconds"] for point in months["points"])
    return (
        f"stays {exact['stays']:,}, of them told {dwell['stays']:,}; occupied seconds {exact['occupied']:,}, told "
        f"{occupied:,}; quantiles at most {worst:.1%} off"
    )


async def measure(spaces: int, zones: int, days: int, runs: int) -> None:
    """All of it, on a platform started for it."""
    async with running_platform(mosquitto=False) as platform:
        connections = platform.connections
        database = await connect_database(connections.database_url)
        try:
            tenant_id = await find_tenant(connections, None)
            began = time.monotonic()
            year = await make_year(database, tenant_id, spaces=spaces, zones=zones, days=days)
            console.print(f"made {days} days in {time.monotonic() - began:.0f} s", style="dim")
            began = time.monotonic()
            await eventually(lambda: computed(year), COMPUTING_SECONDS, interval=1.0, message="every day's rollups")
            console.print(f"the engine computed them within {time.monotonic() - began:.0f} s", style="dim")
            await database.execute("ANALYZE")
            headers = {"X-API-Key": connections.api_key}
            async with httpx.AsyncClient(
                base_url=connections.api_url, headers=headers, trust_env=False, timeout=30
            ) as client:
                console.print(await ask_everything(client, year, runs))
                console.print(await compare(client, year), soft_wrap=True)
        finally:
            await database.close()
    console.print(f"{runs} runs of each over {days} days, {spaces:,} spaces, {zones} zones; {machine()}", style="dim")


def main(
    spaces: Annotated[int, typer.Option(min=20)] = 1_000,
    zones: Annotated[int, typer.Option(min=1, max=99)] = 20,
    days: Annotated[int, typer.Option(min=1, max=390)] = 365,
    runs: Annotated[int, typer.Option(min=1)] = 20,
) -> None:
    """Measure the statistics over a year, on a `parkstream up` of its own."""
    asyncio.run(measure(spaces, zones, days, runs))


if __name__ == "__main__":
    typer.run(main)
