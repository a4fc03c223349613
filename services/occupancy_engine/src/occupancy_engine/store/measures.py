"""How the city is, counted for the metrics: one pass over the spaces, and little beside it."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import msgspec

from parking_chassis.postgres import Connection

ORPHAN_DEVICES_COUNTED = 1_000
ORPHAN_FRAMES_COUNTED = 10_000


class Spaces(msgspec.Struct, frozen=True):
    """Live spaces by state, and those of them with a sensor by whether it is heard."""

    by_state: Counter[str]
    by_hearing: Counter[str]


async def count_spaces(connection: Connection) -> Spaces:
    """Of all tenants."""
    rows = await connection.fetch(
        """
        SELECT state, CASE WHEN sensor_eui IS NULL THEN NULL WHEN NOT sensor_heard THEN 'never_heard'
                           WHEN sensor_silent THEN 'silent' ELSE 'heard' END AS hearing, count(*)
        FROM occupancy.spaces WHERE deleted_at IS NULL GROUP BY 1, 2
        """
    )
    counted = Spaces(Counter(), Counter())
    for row in rows:
        counted.by_state[row["state"]] += row["count"]
        if row["hearing"] is not None:
            counted.by_hearing[row["hearing"]] += row["count"]
    return counted


async def count_open_alerts(connection: Connection) -> dict[str, int]:
    """By kind."""
    rows = await connection.fetch("SELECT kind, count(*) FROM occupancy.alerts WHERE closed_at IS NULL GROUP BY kind")
    return {row["kind"]: row["count"] for row in rows}


async def count_orphans(connection: Connection) -> tuple[int, int]:
    """Devices and frames, as far as they are counted. From device to device by the index: each may have many frames."""
    [row] = await connection.fetch(
        """
        WITH RECURSIVE device AS (
            (SELECT source, application_id, dev_eui FROM occupancy.orphan_frames
             ORDER BY source, application_id, dev_eui LIMIT 1)
            UNION ALL
            SELECT following.* FROM device CROSS JOIN LATERAL (
                SELECT f.source, f.application_id, f.dev_eui FROM occupancy.orphan_frames f
                WHERE (f.source, f.application_id, f.dev_eui) > (device.source, device.application_id, device.dev_eui)
                ORDER BY f.source, f.application_id, f.dev_eui LIMIT 1) AS following
        )
        SELECT (SELECT count(*) FROM (SELECT FROM device LIMIT $1) AS counted),
               (SELECT count(*) FROM (SELECT FROM occupancy.orphan_frames LIMIT $2) AS counted)
        """,
        ORPHAN_DEVICES_COUNTED,
        ORPHAN_FRAMES_COUNTED,
    )
    return row[0], row[1]


async def partitions_until(connection: Connection) -> dict[str, datetime]:
    """Until when each partitioned table has partitions of its own; later rows go to the default one."""
    rows = await connection.fetch(
        r"""
        SELECT parent.relname AS parent, max(to_timestamp(right(child.relname, 8), 'YYYYMMDD')
               + CASE parent.relname WHEN 'state_changes' THEN interval '1 month' ELSE interval '1 day' END) AS until
        FROM pg_inherits i
        JOIN pg_class child ON child.oid = i.inhrelid
        JOIN pg_class parent ON parent.oid = i.inhparent
        WHERE i.inhparent IN ('occupancy.sensor_readings'::regclass, 'occupancy.state_changes'::regclass)
          AND child.relname ~ '_\d{8}$'
        GROUP BY 1
        """
    )
    return {row["parent"]: row["until"] for row in rows}


async def watermark_ages(connection: Connection) -> dict[str, float]:
    """Seconds that each source is behind now; one that has not been heard for a week is none any more."""
    rows = await connection.fetch(
        """
        SELECT source, extract(epoch FROM now() - heard_until)::float8 AS seconds FROM occupancy.source_watermarks
        WHERE heard_until > now() - interval '7 days'
        """
    )
    return {row["source"]: row["seconds"] for row in rows}
