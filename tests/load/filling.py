"""A city and its past, written into the database at once: commands and uplinks would take hours.

In: a fleet; how many readings in how many days. Out: rows such as the engine writes. Spaces and devices are those that
its commands would have made, but nothing is announced. The readings repeat each device's first one (without its
receptions), in a session that is over, evenly over the days; every day is in its own partition.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from parking_simulator.fleet import Fleet

SPACES = """
    INSERT INTO occupancy.spaces (tenant_id, site_id, id, code, name, kind, zone, latitude, longitude, sensor_eui,
                                  state, state_layer, state_since, created_at)
    SELECT $1, made.*, 'unknown', 'default', now(), now()
    FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::float8[], $9::float8[],
                $10::text[]) AS made
"""
DEVICES = "INSERT INTO occupancy.devices (tenant_id, dev_eui, assigned_at) SELECT $1, unnest($2::text[]), now()"
DAY_MADE = "CREATE TABLE occupancy.{name} (LIKE occupancy.sensor_readings INCLUDING DEFAULTS INCLUDING CONSTRAINTS)"
FIRST_READINGS = """
    CREATE TEMP TABLE first_readings AS
    SELECT DISTINCT ON (tenant_id, dev_eui) * FROM occupancy.sensor_readings ORDER BY tenant_id, dev_eui, f_cnt
"""
READINGS = """
    INSERT INTO occupancy.{name} (tenant_id, dev_eui, session_at, f_cnt, received_at, occurred_at, space_id, occupied,
                                  f_port, payload, codec, battery_volts, battery_percent, temperature_celsius)
    SELECT tenant_id, dev_eui, $1::timestamptz, $2::bigint + n, $1 + place, $1 + place, space_id, n % 2 = 0,
           f_port, payload, codec, battery_volts, battery_percent, temperature_celsius
    FROM pg_temp.first_readings CROSS JOIN generate_series(0, $3::int - 1) AS n,
         LATERAL (SELECT $4::interval * ((n + random()) / $3) AS place) AS somewhen
"""
ATTACHED = (
    "CREATE INDEX ON occupancy.{name} (tenant_id, dev_eui, session_at, f_cnt)",
    "ALTER TABLE occupancy.{name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    "ALTER TABLE occupancy.sensor_readings ATTACH PARTITION occupancy.{name} FOR VALUES FROM ('{day}') TO ('{next}')",
)


async def insert_fleet(database: asyncpg.Connection, tenant_id: UUID, fleet: Fleet) -> None:
    """Spaces and devices; sites and application are there already."""
    spaces = fleet.spaces
    names = ("site_id", "id", "code", "name", "kind", "zone", "latitude", "longitude", "sensor_eui")
    async with database.transaction():
        await database.execute(DEVICES, tenant_id, sorted(space.sensor_eui for space in spaces if space.sensor_eui))
        await database.execute(SPACES, tenant_id, *([getattr(space, name) for space in spaces] for name in names))
    await database.execute("ANALYZE occupancy.spaces, occupancy.devices")


async def insert_readings(
    database: asyncpg.Connection, readings: int, days: int, on_readings: Callable[[int], None]
) -> int:
    """About so many readings over so many days, today included; how many were made."""
    await database.execute(FIRST_READINGS)
    devices: int = await database.fetchval("SELECT count(*) FROM pg_temp.first_readings")
    per_day = max(1, round(readings / days / max(1, devices)))
    now = datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(days):
        day = today - timedelta(days=days - 1 - number)
        await _insert_day(database, day, number * per_day, per_day, min(timedelta(days=1), now - day))
        on_readings(devices * per_day)
    await database.execute("CHECKPOINT")
    return devices * per_day * days


async def _insert_day(
    database: asyncpg.Connection, day: datetime, first_f_cnt: int, per_day: int, span: timedelta
) -> None:
    """One partition: filled, then given its index and attached, unless it is there already."""
    name, following = f"sensor_readings_{day:%Y%m%d}", day + timedelta(days=1)
    is_there = await database.fetchval("SELECT to_regclass($1) IS NOT NULL", f"occupancy.{name}")
    if not is_there:
        await database.execute(DAY_MADE.format(name=name))
    await database.execute(READINGS.format(name=name), day, first_f_cnt, per_day, span * 0.99, timeout=None)
    if not is_there:
        for statement in ATTACHED:
            await database.execute(
                statement.format(name=name, day=day.isoformat(), next=following.isoformat()), timeout=None
            )
    await database.execute(f"VACUUM ANALYZE occupancy.{name}", timeout=None)
