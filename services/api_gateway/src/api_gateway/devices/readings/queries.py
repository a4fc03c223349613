"""The SQL behind a device's readings and its health."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection

Rows = Sequence[asyncpg.Record]
Place = tuple[datetime, int]
"""(session_at, fCnt): the order in which the device spoke, whatever came late."""


async def is_known(connection: Connection, tenant_id: UUID, dev_eui: str) -> bool:
    """Whether the tenant has this device, or still has readings of it."""
    found = await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM occupancy.device_directory WHERE (tenant_id, dev_eui) = ($1, $2))
            OR EXISTS (SELECT FROM occupancy.reading_history WHERE tenant_id = $1 AND dev_eui = $2)
        """,
        tenant_id,
        dev_eui,
    )
    return bool(found)


async def list_readings(
    connection: Connection,
    tenant_id: UUID,
    dev_eui: str,
    *,
    since: datetime | None,
    until: datetime | None,
    before: Place | None,
    limit: int,
) -> Rows:
    """Readings by their place, the newest first, received in [since, until)."""
    # Bounds instead of `IS NULL OR`: PostgreSQL leaves away the partitions that they exclude, and walks the index.
    return await connection.fetch(
        """
        SELECT session_at, f_cnt, received_at, occurred_at, space_id, occupied, f_port,
               encode(payload, 'hex') AS payload, object, codec, decode_error,
               battery_volts, battery_percent, temperature_celsius,
               coalesce(attributes, '{}') AS attributes, coalesce(receptions, '[]') AS receptions
        FROM occupancy.reading_history
        WHERE tenant_id = $1 AND dev_eui = $2
          AND received_at >= coalesce($3::timestamptz, '-infinity')
          AND received_at < coalesce($4::timestamptz, 'infinity')
          AND (session_at, f_cnt) < (coalesce($5::timestamptz, 'infinity'), coalesce($6::bigint, 0))
        ORDER BY session_at DESC, f_cnt DESC LIMIT $7
        """,
        tenant_id,
        dev_eui,
        since,
        until,
        *(before or (None, None)),
        limit,
    )


async def get_health(connection: Connection, tenant_id: UUID, dev_eui: str) -> asyncpg.Record | None:
    """A device's row with its battery's trend."""
    return await connection.fetchrow(
        """
        SELECT d.dev_eui, d.space_id, d.profile_name, d.last_seen_at, d.interval_seconds, d.silent, d.flapping,
               d.battery_percent, d.battery_volts, d.external_power, d.decoder_errors, d.network_errors, d.last_error,
               m.battery_unit, m.battery_per_day, m.battery_days_left, m.measured_at
        FROM occupancy.device_directory d
        LEFT JOIN occupancy.device_measures m ON m.tenant_id = d.tenant_id AND m.dev_eui = d.dev_eui
        WHERE d.tenant_id = $1 AND d.dev_eui = $2
        """,
        tenant_id,
        dev_eui,
    )


async def measure_radio(connection: Connection, tenant_id: UUID, dev_eui: str) -> Rows:
    """Two rows: how the device was heard in the last day, and in the last seven (`days`)."""
    return await connection.fetch(
        """
        WITH heard AS MATERIALIZED (
            SELECT r.session_at, r.f_cnt, r.received_at > now() - interval '1 day' AS is_recent,
                   r.decode_error IS NOT NULL AS has_failed, best.snr, best.rssi
            FROM occupancy.reading_history r
            CROSS JOIN LATERAL (
                SELECT max(snr) AS snr, max(rssi) AS rssi
                FROM jsonb_to_recordset(r.receptions) AS one (snr float8, rssi float8)
            ) best
            WHERE r.tenant_id = $1 AND r.dev_eui = $2 AND r.received_at > now() - interval '7 days'
        )
        SELECT stretch.days, frames.*, least(coalesce(gaps.missed, 0), 2147483647)::int AS frames_missed
        FROM (VALUES (1), (7)) AS stretch (days)
        CROSS JOIN LATERAL (
            SELECT count(*)::int AS frames_heard, count(*) FILTER (WHERE has_failed)::int AS decode_errors,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY rssi) AS rssi_median,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY snr) AS snr_median
            FROM heard WHERE is_recent OR stretch.days = 7
        ) frames
        CROSS JOIN LATERAL (
            SELECT sum(sent - heard) AS missed FROM (
                SELECT max(f_cnt) - min(f_cnt) + 1 AS sent, count(*) AS heard
                FROM heard WHERE is_recent OR stretch.days = 7 GROUP BY session_at
            ) sessions
        ) gaps
        ORDER BY stretch.days
        """,
        tenant_id,
        dev_eui,
    )
