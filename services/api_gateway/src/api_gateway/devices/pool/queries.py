"""The SQL behind the figures of the device pool."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection

Rows = Sequence[asyncpg.Record]


async def count_devices(connection: Connection, tenant_id: UUID) -> Rows:
    """Devices by profile, and (`everything`) all of them, the largest group first."""
    return await connection.fetch(
        """
        SELECT profile_name, GROUPING(profile_name) = 1 AS everything, count(*) AS total,
               count(*) FILTER (WHERE is_assigned) AS assigned, count(*) FILTER (WHERE NOT is_assigned) AS unassigned,
               count(*) FILTER (WHERE silent AND is_assigned) AS silent,
               count(*) FILTER (WHERE last_seen_at IS NULL) AS never_heard,
               count(*) FILTER (WHERE flapping) AS flapping
        FROM (
            SELECT profile_name, silent, last_seen_at, flapping,
                   dev_eui IN (SELECT sensor_eui FROM occupancy.space_directory
                               WHERE tenant_id = $1 AND deleted_at IS NULL AND sensor_eui IS NOT NULL) AS is_assigned
            FROM occupancy.device_directory WHERE tenant_id = $1
        ) devices
        GROUP BY GROUPING SETS ((profile_name), ()) ORDER BY everything DESC, total DESC, profile_name
        """,
        tenant_id,
    )


async def count_batteries(connection: Connection, tenant_id: UUID) -> asyncpg.Record:
    """Batteries by what they tell: per cent goes before volts."""
    row = await connection.fetchrow(
        """
        SELECT count(percent) AS percent_devices, count(*) FILTER (WHERE percent < 20) AS below_20,
               count(*) FILTER (WHERE percent BETWEEN 20 AND 50) AS from_20_to_50,
               count(*) FILTER (WHERE percent > 50) AS above_50,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY percent) AS percent_median, min(percent) AS percent_lowest,
               count(volts) AS volts_devices,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY volts) AS volts_median, min(volts) AS volts_lowest,
               count(*) FILTER (WHERE external) AS external_power,
               count(*) FILTER (WHERE NOT external AND percent IS NULL AND volts IS NULL) AS unknown
        FROM (
            SELECT external, CASE WHEN NOT external THEN battery_percent::float8 END AS percent,
                   CASE WHEN NOT external AND battery_percent IS NULL THEN battery_volts::float8 END AS volts
            FROM (SELECT coalesce(external_power, false) AS external, battery_percent, battery_volts
                  FROM occupancy.device_directory WHERE tenant_id = $1) told
        ) batteries
        """,
        tenant_id,
    )
    assert row is not None  # noqa: S101  an aggregate has a row
    return row
