"""The SQL behind the state at an instant: where spaces stood then, and the last change or stay before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection

Rows = Sequence[asyncpg.Record]
Place = tuple[UUID | None, str | None, UUID | None]
"""(site, zone, space), None for any."""

# $1 tenant, $2 the moment, $3 site, $4 zone, $5 space.
_STOOD = """
    p.tenant_id = $1 AND p.until_at > $2 AND ($3::uuid IS NULL OR p.site_id = $3)
    AND ($4::text IS NULL OR p.zone = $4) AND ($5::uuid IS NULL OR p.space_id = $5)
"""
# Before its first change a space shows what that change calls the previous state; without any, what it shows now.
_SHOWN = f"""
    SELECT p.space_id, p.site_id, p.zone, coalesce(earlier.state, later.previous, s.state) AS state,
           coalesce(earlier.changed_at, p.from_at) AS since, later.changed_at AS until
    FROM occupancy.placement_history p
    JOIN occupancy.space_directory s ON s.tenant_id = p.tenant_id AND s.id = p.space_id
    LEFT JOIN LATERAL (
        SELECT c.state, c.changed_at FROM occupancy.state_history c
        WHERE c.tenant_id = $1 AND c.space_id = p.space_id AND c.changed_at <= $2
        ORDER BY c.changed_at DESC, c.version DESC LIMIT 1
    ) earlier ON true
    LEFT JOIN LATERAL (
        SELECT c.previous, c.changed_at FROM occupancy.state_history c
        WHERE c.tenant_id = $1 AND c.space_id = p.space_id AND c.changed_at > $2
        ORDER BY c.changed_at, c.version LIMIT 1
    ) later ON earlier.state IS NULL OR $5::uuid IS NOT NULL
    WHERE {_STOOD} AND p.from_at <= $2
"""  # noqa: S608  the constant above
_HAPPENED = f"""
    SELECT p.space_id, p.site_id, p.zone,
           CASE WHEN stay.arrived_at IS NOT NULL AND coalesce(stay.departed_at > $2, true) THEN 'occupied'
                WHEN p.watched THEN 'free' ELSE 'unknown' END AS state,
           CASE WHEN coalesce(stay.departed_at > $2, true) THEN stay.arrived_at ELSE stay.departed_at END AS since,
           CASE WHEN stay.departed_at > $2 THEN stay.departed_at END AS until
    FROM occupancy.placement_history p
    LEFT JOIN LATERAL (
        SELECT t.arrived_at, t.departed_at FROM occupancy.stay_history t
        WHERE t.tenant_id = $1 AND t.space_id = p.space_id AND t.arrived_at <= $2
        ORDER BY t.arrived_at DESC LIMIT 1
    ) stay ON true
    WHERE {_STOOD} AND (p.first OR p.from_at <= $2)
"""  # noqa: S608  the constant above


async def count_states(connection: Connection, tenant_id: UUID, at: datetime, place: Place, *, of_stays: bool) -> Rows:
    """Spaces per site, zone and state then."""
    return await connection.fetch(
        f"""
        SELECT site_id, zone, state, count(*) AS spaces FROM ({_HAPPENED if of_stays else _SHOWN}) found
        GROUP BY site_id, zone, state ORDER BY site_id, zone NULLS FIRST
        """,  # noqa: S608  the constants above
        tenant_id,
        at,
        *place,
    )


async def state_of_space(
    connection: Connection, tenant_id: UUID, at: datetime, space_id: UUID, *, of_stays: bool
) -> asyncpg.Record | None:
    """One space then, or None if it was not there."""
    return await connection.fetchrow(_HAPPENED if of_stays else _SHOWN, tenant_id, at, None, None, space_id)
