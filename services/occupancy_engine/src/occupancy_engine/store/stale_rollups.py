"""Which local days are to be computed again: what writers left in the queue, what runs, and what the clock brought.

The writers' side is `leave_stale`; the rest is the rollups' clock's, which alone works with these rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from occupancy_engine.store.columns import columns
from parking_chassis.postgres import Connection

Stale = tuple[UUID, UUID, datetime, datetime]
"""(tenant, space, from, until): between these moments the space's figures are no longer right."""


async def leave_stale(connection: Connection, stale: Sequence[Stale]) -> None:
    """Leave word of changed stays, in the transaction that changed them."""
    if stale:
        await connection.execute(
            """
            INSERT INTO occupancy.rollup_queue (tenant_id, space_id, from_at, until_at)
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[])
            """,
            *columns(stale, 4),
        )


async def take_stale(connection: Connection, limit: int) -> list[Stale]:
    """Take the oldest out of the queue."""
    rows = await connection.fetch(
        """
        DELETE FROM occupancy.rollup_queue WHERE (tenant_id, id) IN (
            SELECT tenant_id, id FROM occupancy.rollup_queue ORDER BY tenant_id, id LIMIT $1)
        RETURNING tenant_id, space_id, from_at, until_at
        """,
        limit,
    )
    return [(row["tenant_id"], row["space_id"], row["from_at"], row["until_at"]) for row in rows]


async def watch_sites(connection: Connection) -> None:
    """Take new sites in; what was computed for a site in another time zone than it has now is cut anew.

    A site in a zone that PostgreSQL does not know waits: it must not keep the others from their figures.
    """
    await connection.execute(
        """
        WITH changed AS (
            DELETE FROM occupancy.rollup_sites r USING occupancy.sites s
            WHERE s.tenant_id = r.tenant_id AND s.id = r.site_id AND s.time_zone <> r.time_zone
            RETURNING r.tenant_id, r.site_id
        ), spaces AS (
            DELETE FROM occupancy.space_days d USING changed c WHERE (d.tenant_id, d.site_id) = (c.tenant_id, c.site_id)
        ), zones AS (
            DELETE FROM occupancy.zone_days z USING changed c WHERE (z.tenant_id, z.site_id) = (c.tenant_id, c.site_id)
            RETURNING z.tenant_id, z.site_id, z.level, z.day, z.zone, z.kind
        )
        INSERT INTO occupancy.rollup_days_due (tenant_id, site_id, day, zone, kind)
        SELECT DISTINCT tenant_id, site_id, day + shift, zone, kind
        FROM zones CROSS JOIN generate_series(-1, 1) AS shift WHERE level = 'zone_kind'
        ON CONFLICT DO NOTHING
        """
    )
    await connection.execute(
        """
        INSERT INTO occupancy.rollup_sites (tenant_id, site_id, time_zone, due_until)
        SELECT s.tenant_id, s.id, s.time_zone, min(p.from_at)
        FROM occupancy.sites s JOIN occupancy.space_placements p ON (p.tenant_id, p.site_id) = (s.tenant_id, s.id)
        WHERE NOT EXISTS (SELECT FROM occupancy.rollup_sites r WHERE (r.tenant_id, r.site_id) = (s.tenant_id, s.id))
          AND s.time_zone IN (SELECT name FROM pg_timezone_names)
        GROUP BY s.tenant_id, s.id, s.time_zone
        ON CONFLICT DO NOTHING
        """
    )


async def note_running(connection: Connection, moment: datetime) -> None:
    """Compare the running stays with how they were counted; what differs is stale.

    A running stay counts until now; that of a silent sensor or of a recording until the sensor's last word.
    """
    await connection.execute(
        """
        WITH running AS MATERIALIZED (
            SELECT s.tenant_id, s.id AS stay_id, s.space_id, s.arrived_at,
                   CASE WHEN d.silent OR a.clock = 'recorded' THEN greatest(s.arrived_at, d.reading_occurred_at) END
                       AS counted_until
            FROM occupancy.devices d
            JOIN occupancy.stays s ON s.tenant_id = d.tenant_id AND s.id = d.open_stay_id
            LEFT JOIN occupancy.applications a ON a.source = d.source AND a.application_id = d.application_id
            WHERE d.open_stay_id IS NOT NULL AND s.departed_at IS NULL
        ), ended AS (
            DELETE FROM occupancy.rollup_running_stays k
            WHERE NOT EXISTS (SELECT FROM running r WHERE (r.tenant_id, r.stay_id) = (k.tenant_id, k.stay_id))
            RETURNING k.tenant_id, k.stay_id, k.space_id, k.counted_until
        ), differing AS (
            SELECT r.tenant_id, r.space_id, coalesce(k.counted_until, $1) AS was,
                   CASE WHEN k.stay_id IS NULL THEN r.arrived_at ELSE coalesce(r.counted_until, $1) END AS becomes
            FROM running r LEFT JOIN occupancy.rollup_running_stays k USING (tenant_id, stay_id)
            WHERE k.stay_id IS NULL OR k.counted_until IS DISTINCT FROM r.counted_until
            UNION ALL
            SELECT e.tenant_id, e.space_id, coalesce(e.counted_until, $1), s.departed_at
            FROM ended e JOIN occupancy.stays s ON (s.tenant_id, s.id) = (e.tenant_id, e.stay_id)
            WHERE s.departed_at IS NOT NULL
        ), noted AS (
            INSERT INTO occupancy.rollup_running_stays AS k (tenant_id, stay_id, space_id, counted_until)
            SELECT tenant_id, stay_id, space_id, counted_until FROM running
            ON CONFLICT (tenant_id, stay_id) DO UPDATE SET counted_until = excluded.counted_until
            WHERE k.counted_until IS DISTINCT FROM excluded.counted_until
        )
        INSERT INTO occupancy.rollup_queue (tenant_id, space_id, from_at, until_at)
        SELECT tenant_id, space_id, least(was, becomes), greatest(was, becomes) FROM differing
        """,
        moment,
    )


async def mark_stale(connection: Connection, stale: Sequence[Stale], moment: datetime) -> None:
    """Turn what was left into days due, wherever the spaces stood; what lies ahead of `moment` waits for its day."""
    await connection.execute(
        """
        INSERT INTO occupancy.rollup_days_due (tenant_id, site_id, day, zone, kind)
        SELECT DISTINCT p.tenant_id, p.site_id, day::date, p.zone, p.kind
        FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[])
            AS stale (tenant_id, space_id, from_at, until_at)
        JOIN occupancy.space_placements p USING (tenant_id, space_id)
        JOIN occupancy.rollup_sites r ON (r.tenant_id, r.site_id) = (p.tenant_id, p.site_id)
        CROSS JOIN LATERAL generate_series(
            (greatest(stale.from_at, CASE WHEN p.first THEN NULL ELSE p.from_at END, 'epoch')
                AT TIME ZONE r.time_zone)::date::timestamp,
            (least(stale.until_at, p.until_at, $5) AT TIME ZONE r.time_zone)::date::timestamp, '1 day') AS day
        WHERE (p.first OR p.from_at <= stale.until_at) AND p.until_at >= stale.from_at
        ON CONFLICT DO NOTHING
        """,
        *columns(stale, 4),
        moment,
    )


async def mark_running_days(connection: Connection, moment: datetime) -> None:
    """Every site's days since it was last asked for them are due, the one that runs included."""
    await connection.execute(
        """
        INSERT INTO occupancy.rollup_days_due (tenant_id, site_id, day, zone, kind)
        SELECT DISTINCT p.tenant_id, p.site_id, day::date, p.zone, p.kind
        FROM occupancy.rollup_sites r
        CROSS JOIN LATERAL generate_series(
            (greatest(r.due_until, 'epoch') AT TIME ZONE r.time_zone)::date::timestamp,
            ($1 AT TIME ZONE r.time_zone)::date::timestamp, '1 day') AS day
        JOIN occupancy.space_placements p ON p.tenant_id = r.tenant_id AND p.site_id = r.site_id
            -- an hour to spare for midnights that the clocks skip
            AND p.until_at > (day AT TIME ZONE r.time_zone) - interval '1 hour'
            AND p.from_at < ((day + interval '1 day') AT TIME ZONE r.time_zone) + interval '1 hour'
            AND p.from_at <= $1
        ON CONFLICT DO NOTHING
        """,
        moment,
    )
    await connection.execute("UPDATE occupancy.rollup_sites SET due_until = $1 WHERE due_until < $1", moment)
