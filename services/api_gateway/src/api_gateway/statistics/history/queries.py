"""The SQL behind the figures of the past: rollups of local days, through the views that their owner grants.

A series is named by the columns of its group: none, `site_id`, `site_id, zone`, or `kind`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection

if TYPE_CHECKING:
    from api_gateway.statistics.history.selection import GroupBy, Selection

Rows = Sequence[asyncpg.Record]

SERIES = {None: (), "site": ("site_id",), "zone": ("site_id", "zone"), "kind": ("kind",)}
# More are read for no answer that is told apart by place or kind: who sees so many refuses the question.
MOST_ROWS = 60_000
SPACE_ORDER = ("occupancy_rate", "arrivals", "arrivals_per_day", "mean_dwell_seconds", "code")


async def time_zones(connection: Connection, tenant_id: UUID, site_id: UUID | None) -> set[str]:
    """The time zones of the tenant's sites, deleted ones too: they have a past."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT time_zone FROM occupancy.site_directory
        WHERE tenant_id = $1 AND ($2::uuid IS NULL OR id = $2)
        """,
        tenant_id,
        site_id,
    )
    return {row["time_zone"] for row in rows}


def _columns(group_by: GroupBy | None, *more: str) -> str:
    return ", ".join((*SERIES[group_by], *more))


def _bound(group_by: GroupBy | None) -> str:
    """One series has so many rows as its days allow; of several there may be any number."""
    return f"LIMIT {MOST_ROWS + 1}" if group_by else ""


def _chosen(selection: Selection, level: str) -> tuple[str, list[Any]]:
    """FROM and WHERE with their parameters. Only what is asked for stands there, for the index to be used."""
    parameters: list[Any] = [selection.tenant_id, level, selection.first, selection.end]
    where = "FROM occupancy.zone_day_rollups WHERE tenant_id = $1 AND level = $2 AND day >= $3 AND day < $4"
    for column, value in (("site_id", selection.site), ("zone", selection.zone), ("kind", selection.kind)):
        if value is not None:
            parameters.append(value)
            where += f" AND {column} = ${len(parameters)}"
    return where, parameters


async def sums(connection: Connection, selection: Selection, group_by: GroupBy | None, unit: str | None) -> Rows:
    """Seconds, arrivals and departures per series and `day`: the first of each day, week or month, or of everything.

    `time_zone` is null where several are summed up.
    """
    chosen, parameters = _chosen(selection, selection.level(group_by))
    bucket = f"date_trunc('{unit}', day::timestamp)::date" if unit else "$3::date"
    columns = _columns(group_by, "bucket")
    return await connection.fetch(
        f"""
        SELECT {_columns(group_by, "greatest(bucket, $3) AS day")}, sum(occupied_seconds)::bigint AS occupied_seconds,
               sum(watched_seconds)::bigint AS watched_seconds, sum(arrivals)::bigint AS arrivals,
               sum(departures)::bigint AS departures, sum(dwell_seconds)::bigint AS dwell_seconds,
               CASE WHEN min(time_zone) = max(time_zone) THEN min(time_zone) END AS time_zone,
               max(computed_until) AS computed_until
        FROM (SELECT *, {bucket} AS bucket {chosen}) chosen
        GROUP BY {columns} ORDER BY {columns} {_bound(group_by)}
        """,  # noqa: S608  columns and units of our own
        *parameters,
    )


async def hours(connection: Connection, selection: Selection, group_by: GroupBy | None, *, quarters: bool) -> Rows:
    """Seconds per series, local day and number of the hour or quarter hour in it, from 1."""
    chosen, parameters = _chosen(selection, selection.level(group_by))
    arrays = "quarter_occupied, quarter_watched" if quarters else "hour_occupied, hour_watched"
    columns = _columns(group_by, "time_zone", "day", "number")
    return await connection.fetch(
        f"""
        SELECT {columns}, sum(occupied)::bigint AS occupied_seconds, sum(watched)::bigint AS watched_seconds,
               max(computed_until) AS computed_until
        FROM (SELECT * {chosen}) chosen
        CROSS JOIN LATERAL unnest({arrays}) WITH ORDINALITY AS part (occupied, watched, number)
        WHERE watched > 0
        GROUP BY {columns} ORDER BY {columns} {_bound(group_by)}
        """,  # noqa: S608  columns of our own
        *parameters,
    )


async def dwell(connection: Connection, selection: Selection, group_by: GroupBy | None) -> Rows:
    """Stays that ended, per series and bucket."""
    chosen, parameters = _chosen(selection, selection.level(group_by))
    columns = _columns(group_by, "bucket")
    return await connection.fetch(
        f"""
        SELECT {columns}, sum(stays)::bigint AS stays
        FROM (SELECT * {chosen}) chosen
        CROSS JOIN LATERAL unnest(dwell_buckets, dwell_counts) AS part (bucket, stays)
        GROUP BY {columns} ORDER BY {columns}
        """,  # noqa: S608  columns of our own
        *parameters,
    )


async def peaks(connection: Connection, selection: Selection, group_by: GroupBy | None) -> Rows:
    """The fullest quarter hour of each site, or of each of its zones or kinds; the earliest of equals."""
    chosen, parameters = _chosen(selection, selection.level(group_by))
    return await connection.fetch(
        f"""
        SELECT DISTINCT ON (site_id, zone, kind) site_id, zone, kind, time_zone, peak_at, peak_occupied, peak_watched,
               max(computed_until) OVER () AS computed_until
        {chosen} AND peak_at IS NOT NULL
        ORDER BY site_id, zone, kind, peak_occupied DESC, day
        """,
        *parameters,
    )


async def spaces(
    connection: Connection, selection: Selection, order: str, *, limit: int, offset: int
) -> tuple[int, Rows]:
    """The figures of each space; one that moved is counted at all the places selected."""
    parameters: list[Any] = [selection.tenant_id, selection.first, selection.end]
    where = "WHERE tenant_id = $1 AND day >= $2 AND day < $3"
    for column, value in (("site_id", selection.site), ("zone", selection.zone), ("kind", selection.kind)):
        if value is not None:
            parameters.append(value)
            where += f" AND {column} = ${len(parameters)}"
    rows = await connection.fetch(
        f"""
        WITH figures AS (
            SELECT space_id, sum(occupied_seconds)::bigint AS occupied_seconds,
                   sum(watched_seconds)::bigint AS watched_seconds, sum(arrivals)::bigint AS arrivals,
                   sum(departures)::bigint AS departures, sum(dwell_seconds)::bigint AS dwell_seconds
            FROM occupancy.space_day_rollups {where} GROUP BY space_id
        )
        SELECT f.*, d.code, d.site_id, d.zone, d.kind, count(*) OVER () AS total,
               f.occupied_seconds::float8 / NULLIF(f.watched_seconds, 0) AS occupancy_rate,
               f.arrivals * 86400.0::float8 / NULLIF(f.watched_seconds, 0) AS arrivals_per_day,
               f.dwell_seconds::float8 / NULLIF(f.departures, 0) AS mean_dwell_seconds
        FROM figures f JOIN occupancy.space_directory d ON d.tenant_id = $1 AND d.id = f.space_id
        ORDER BY {order} LIMIT {limit:d} OFFSET {offset:d}
        """,  # noqa: S608  columns of our own, and numbers
        *parameters,
    )
    if not rows and offset:
        return (await spaces(connection, selection, order, limit=1, offset=0))[0], rows
    return (rows[0]["total"] if rows else 0), rows


async def computed_until(connection: Connection, selection: Selection) -> datetime | None:
    """Until when the selected days are computed."""
    chosen, parameters = _chosen(selection, selection.level(None))
    until: datetime | None = await connection.fetchval(f"SELECT max(computed_until) {chosen}", *parameters)
    return until
