"""How far each source has been heard, and which devices are overdue by it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from occupancy_engine.store.devices import DeviceKey
from parking_chassis.postgres import Connection

HTTP = "ingress"
"""The watermark of everything that comes over HTTP."""

OF_DEVICE = f"""
    LEFT JOIN occupancy.source_watermarks own ON own.source = d.source
    LEFT JOIN occupancy.source_watermarks w ON w.source = coalesce(own.source, '{HTTP}')
"""
"""Joins `w`, the watermark by which a device `d` is heard: a source that never ticks is an integration over HTTP, and
all of those are heard through INGRESS."""


class Due(msgspec.Struct, frozen=True):
    """A device that a clock should look at, with its source's watermark."""

    key: DeviceKey
    heard_until: datetime
    resumed_at: datetime


async def devices_due(connection: Connection, limit: int) -> list[Due]:
    """Devices that may have fallen silent, or whose held-back change may have lasted, by their source's watermark."""
    rows = await connection.fetch(
        f"""
        SELECT d.tenant_id, d.dev_eui, w.heard_until, w.resumed_at
        FROM occupancy.devices d {OF_DEVICE}
        WHERE (NOT d.silent AND d.occupied IS NOT NULL AND w.heard_until > greatest(
                  d.reading_received_at + make_interval(secs => d.silence_seconds),
                  w.resumed_at + make_interval(secs => d.interval_seconds)))
           OR d.pending_due_at <= w.heard_until
        ORDER BY d.tenant_id, d.dev_eui LIMIT $1
        """,  # noqa: S608  the join is a constant
        limit,
    )
    return [Due((row["tenant_id"], row["dev_eui"]), row["heard_until"], row["resumed_at"]) for row in rows]


async def move_watermark(connection: Connection, source: str, heard_until: datetime, outage_seconds: float) -> None:
    """Say that everything of `source` up to `heard_until` is handled. A long gap before it was an outage."""
    await connection.execute(
        """
        INSERT INTO occupancy.source_watermarks AS w (source, heard_until, resumed_at) VALUES ($1, $2, $2)
        ON CONFLICT (source) DO UPDATE SET
            heard_until = greatest(w.heard_until, excluded.heard_until),
            resumed_at = CASE WHEN excluded.heard_until - w.heard_until > make_interval(secs => $3)
                              THEN excluded.heard_until ELSE w.resumed_at END
        """,
        source,
        heard_until,
        outage_seconds,
    )
