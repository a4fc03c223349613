"""The rows that the figures of local days become, written set-wise."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from occupancy_engine.domain.rollup import Tally, by_hour
from occupancy_engine.store.columns import columns
from occupancy_engine.store.rollups import PlaceKind, SiteDay
from parking_chassis.postgres import Connection
from parking_contracts.local_days import QUARTER, LocalDay


class DayRow(msgspec.Struct, frozen=True):
    """A row of `zone_days`, as its figures; `level` says which of zone and kind it tells apart."""

    level: str
    zone: str
    kind: str
    tally: Tally


async def write_zone_days(
    connection: Connection, site_day: SiteDay, day: LocalDay, rows: Sequence[DayRow], computed_until: int
) -> None:
    """Write a site's day at every level; where nothing was there to be counted, no row stays."""
    gone = [(row.level, row.zone, row.kind) for row in rows if row.tally.empty]
    if gone:
        await connection.execute(
            """
            DELETE FROM occupancy.zone_days z
            USING unnest($4::text[], $5::text[], $6::text[]) AS gone (level, zone, kind)
            WHERE z.tenant_id = $1 AND z.site_id = $2 AND z.day = $3
              AND (z.level, z.zone, z.kind) = (gone.level, gone.zone, gone.kind)
            """,
            *site_day.key,
            *columns(gone, 3),
        )
    await connection.executemany(
        """
        INSERT INTO occupancy.zone_days (tenant_id, site_id, day, time_zone, starts_at, ends_at, level, zone, kind,
            computed_until, occupied_seconds, watched_seconds, arrivals, departures, dwell_seconds, peak_at,
            peak_occupied, peak_watched, quarter_occupied, quarter_watched, hour_occupied, hour_watched,
            dwell_buckets, dwell_counts)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
            $23, $24)
        ON CONFLICT (tenant_id, level, site_id, zone, kind, day) DO UPDATE SET time_zone = excluded.time_zone,
            starts_at = excluded.starts_at, ends_at = excluded.ends_at, computed_until = excluded.computed_until,
            updated_at = now(), occupied_seconds = excluded.occupied_seconds,
            watched_seconds = excluded.watched_seconds, arrivals = excluded.arrivals,
            departures = excluded.departures, dwell_seconds = excluded.dwell_seconds, peak_at = excluded.peak_at,
            peak_occupied = excluded.peak_occupied, peak_watched = excluded.peak_watched,
            quarter_occupied = excluded.quarter_occupied, quarter_watched = excluded.quarter_watched,
            hour_occupied = excluded.hour_occupied, hour_watched = excluded.hour_watched,
            dwell_buckets = excluded.dwell_buckets, dwell_counts = excluded.dwell_counts
        """,
        [
            (*site_day.key, site_day.time_zone, *_zone_day(day, row, computed_until))
            for row in rows
            if not row.tally.empty
        ],
    )


def _zone_day(day: LocalDay, row: DayRow, computed_until: int) -> tuple[Any, ...]:
    tally, peak = row.tally, row.tally.peak()
    return (
        _moment(day.starts_at),
        _moment(day.ends_at),
        row.level,
        row.zone,
        row.kind,
        _moment(computed_until),
        sum(tally.occupied),
        sum(tally.watched),
        tally.arrivals,
        tally.departures,
        tally.dwell_seconds,
        None if peak is None else _moment(day.starts_at + peak * QUARTER),
        0 if peak is None else tally.occupied[peak],
        0 if peak is None else tally.watched[peak],
        tally.occupied,
        tally.watched,
        by_hour(day, tally.occupied),
        by_hour(day, tally.watched),
        sorted(tally.dwell),
        [tally.dwell[bucket] for bucket in sorted(tally.dwell)],
    )


async def write_space_days(
    connection: Connection, site_day: SiteDay, places: Collection[PlaceKind], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Write the day of each space of these zones and kinds.

    `rows`: zone, kind, space, occupied and watched seconds, arrivals, departures, dwell seconds.
    """
    await connection.execute(
        """
        DELETE FROM occupancy.space_days d
        USING unnest($4::text[], $5::text[]) AS place (zone, kind)
        WHERE d.tenant_id = $1 AND d.site_id = $2 AND d.day = $3 AND d.zone = place.zone AND d.kind = place.kind
          AND d.space_id <> ALL ($6::uuid[])
        """,
        *site_day.key,
        *columns(places, 2),
        [row[2] for row in rows],
    )
    await connection.execute(
        """
        INSERT INTO occupancy.space_days AS d (tenant_id, site_id, day, zone, kind, space_id, occupied_seconds,
            watched_seconds, arrivals, departures, dwell_seconds)
        SELECT $1, $2, $3, * FROM unnest($4::text[], $5::text[], $6::uuid[], $7::int[], $8::int[], $9::int[],
            $10::int[], $11::bigint[])
        ON CONFLICT (tenant_id, site_id, day, zone, kind, space_id) DO UPDATE SET
            occupied_seconds = excluded.occupied_seconds, watched_seconds = excluded.watched_seconds,
            arrivals = excluded.arrivals, departures = excluded.departures, dwell_seconds = excluded.dwell_seconds,
            updated_at = now()
        WHERE (d.occupied_seconds, d.watched_seconds, d.arrivals, d.departures, d.dwell_seconds) IS DISTINCT FROM
            (excluded.occupied_seconds, excluded.watched_seconds, excluded.arrivals, excluded.departures,
             excluded.dwell_seconds)
        """,
        *site_day.key,
        *columns(rows, 8),
    )


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
