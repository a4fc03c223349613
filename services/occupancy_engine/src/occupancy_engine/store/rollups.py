"""What the figures of local days are folded from: which days are due, where spaces stood, and their stays."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime
from uuid import UUID

import msgspec

from occupancy_engine.domain.rollup import Lasting, Presence, Tally
from occupancy_engine.store.columns import columns
from parking_chassis.postgres import Connection
from parking_contracts.local_days import LocalDay

PlaceKind = tuple[str, str]
"""(zone, kind), '' for no zone."""

_BEFORE_ALL = -(1 << 60)


class SiteDay(msgspec.Struct, frozen=True):
    """A local day of a site, which is due."""

    tenant_id: UUID
    site_id: UUID
    time_zone: str
    day: date

    @property
    def key(self) -> tuple[UUID, UUID, date]:
        """What names its rows."""
        return self.tenant_id, self.site_id, self.day


async def database_time(connection: Connection) -> datetime:
    """When this transaction began, by the database's clock."""
    moment: datetime = await connection.fetchval("SELECT now()")
    return moment


async def fresh_since(connection: Connection, moment: datetime) -> bool:
    """Whether every site's days were asked for after `moment`: by another engine, or a pass just before."""
    fresh: bool = await connection.fetchval(
        "SELECT coalesce(bool_and(due_until > $1), false) FROM occupancy.rollup_sites", moment
    )
    return fresh


async def days_due(connection: Connection, limit: int) -> list[SiteDay]:
    """The latest days that are due: today's figures are missed most."""
    rows = await connection.fetch(
        """
        SELECT tenant_id, site_id, time_zone, day FROM (
            SELECT DISTINCT tenant_id, site_id, day FROM occupancy.rollup_days_due
        ) due JOIN occupancy.rollup_sites USING (tenant_id, site_id)
        ORDER BY day DESC LIMIT $1
        """,
        limit,
    )
    return [SiteDay(row["tenant_id"], row["site_id"], row["time_zone"], row["day"]) for row in rows]


async def take_day(connection: Connection, site_day: SiteDay) -> list[PlaceKind]:
    """Take a day off the list; answers which of its zones and kinds are to be computed."""
    rows = await connection.fetch(
        """
        DELETE FROM occupancy.rollup_days_due WHERE tenant_id = $1 AND site_id = $2 AND day = $3
        RETURNING zone, kind
        """,
        *site_day.key,
    )
    return sorted((row["zone"], row["kind"]) for row in rows)


async def presences(
    connection: Connection, site_day: SiteDay, day: LocalDay, places: Collection[PlaceKind]
) -> dict[PlaceKind, dict[UUID, list[Presence]]]:
    """Which spaces stood there that day, and from when until when."""
    rows = await connection.fetch(
        """
        SELECT zone, kind, space_id, first, watched, floor(extract(epoch FROM from_at))::bigint AS from_second,
               CASE WHEN until_at < $6 THEN floor(extract(epoch FROM until_at))::bigint END AS until_second
        FROM occupancy.space_placements
        JOIN unnest($3::text[], $4::text[]) AS wanted (zone, kind) USING (zone, kind)
        WHERE tenant_id = $1 AND site_id = $2 AND until_at > $5 AND (first OR from_at < $6)
        ORDER BY zone, kind, space_id, from_at
        """,
        site_day.tenant_id,
        site_day.site_id,
        *columns(places, 2),
        _moment(day.starts_at),
        _moment(day.ends_at),
    )
    found: dict[PlaceKind, dict[UUID, list[Presence]]] = {place: {} for place in places}
    for row in rows:
        presence = Presence(
            _BEFORE_ALL if row["first"] else row["from_second"],
            day.ends_at if row["until_second"] is None else row["until_second"],
            row["from_second"] if row["watched"] else None,
        )
        found[row["zone"], row["kind"]].setdefault(row["space_id"], []).append(presence)
    return found


async def stays_of_day(
    connection: Connection, tenant_id: UUID, spaces: Sequence[UUID], day: LocalDay, until: int
) -> dict[UUID, list[Lasting]]:
    """The spaces' stays that touch the day, in order: those that began on it, and the last one before.

    A running stay ends for now at `until`, or where its silent or recorded sensor's word ends.
    """
    rows = await connection.fetch(
        """
        SELECT s.space_id, floor(extract(epoch FROM s.arrived_at))::bigint AS arrived_second,
               CASE WHEN s.departed_at IS NOT NULL THEN floor(extract(epoch FROM s.departed_at))::bigint
                    WHEN k.counted_until IS NOT NULL THEN floor(extract(epoch FROM k.counted_until))::bigint
                    ELSE $5 END AS until_second,
               CASE WHEN s.departed_session IS NOT NULL
                    THEN floor(extract(epoch FROM s.departed_at))::bigint END AS departed_second,
               extract(epoch FROM s.departed_at - s.arrived_at)::float8 AS dwell_seconds
        FROM unnest($2::uuid[]) AS wanted (space_id)
        CROSS JOIN LATERAL (
            (SELECT * FROM occupancy.stays s
             WHERE s.tenant_id = $1 AND s.space_id = wanted.space_id AND s.arrived_at < $3
             ORDER BY s.arrived_at DESC LIMIT 1)
            UNION ALL
            (SELECT * FROM occupancy.stays s
             WHERE s.tenant_id = $1 AND s.space_id = wanted.space_id AND s.arrived_at >= $3 AND s.arrived_at < $4)
        ) s
        LEFT JOIN occupancy.rollup_running_stays k ON k.tenant_id = $1 AND k.stay_id = s.id
        ORDER BY s.space_id, s.arrived_at, s.id
        """,
        tenant_id,
        spaces,
        _moment(day.starts_at),
        _moment(day.ends_at),
        until,
    )
    found: dict[UUID, list[Lasting]] = {}
    for row in rows:
        dwell = row["dwell_seconds"] if row["departed_second"] is not None else None
        stay = Lasting(row["arrived_second"], row["until_second"], row["departed_second"], dwell)
        found.setdefault(row["space_id"], []).append(stay)
    return found


async def other_places(
    connection: Connection, site_day: SiteDay, places: Collection[PlaceKind]
) -> dict[PlaceKind, Tally]:
    """The day's figures of the zones and kinds which are not computed now."""
    rows = await connection.fetch(
        """
        SELECT zone, kind, arrivals, departures, dwell_seconds, quarter_occupied, quarter_watched, dwell_buckets,
               dwell_counts
        FROM occupancy.zone_days z
        WHERE tenant_id = $1 AND site_id = $2 AND day = $3 AND level = 'zone_kind'
          AND NOT EXISTS (SELECT FROM unnest($4::text[], $5::text[]) AS now (zone, kind)
                          WHERE now.zone = z.zone AND now.kind = z.kind)
        """,
        *site_day.key,
        *columns(places, 2),
    )
    return {
        (row["zone"], row["kind"]): Tally(
            row["quarter_occupied"],
            row["quarter_watched"],
            row["arrivals"],
            row["departures"],
            row["dwell_seconds"],
            dict(zip(row["dwell_buckets"], row["dwell_counts"], strict=True)),
        )
        for row in rows
    }


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
