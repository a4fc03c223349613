"""Spaces as the engine's directory shows them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection
from parking_contracts.reservation_commands import BookAnySpace
from parking_contracts.space import SpaceState
from reservation_service.domain.booking import Place
from reservation_service.domain.reservation import Sensor

CANDIDATES = 100


async def find(connection: Connection, tenant_id: UUID, space_id: UUID) -> Place | None:
    """One space, deleted or not."""
    row = await connection.fetchrow(
        """
        SELECT tenant_id, id, site_id, state, deleted_at, override_state, override_until, sensor_eui, sensor_occupied,
               sensor_since, sensor_silent
        FROM occupancy.space_directory WHERE tenant_id = $1 AND id = $2
        """,
        tenant_id,
        space_id,
    )
    return _place(row) if row is not None else None


async def has_site(connection: Connection, tenant_id: UUID, site_id: UUID) -> bool:
    """Whether there is such a site, not deleted."""
    found: bool = await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM occupancy.site_directory WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL)
        """,
        tenant_id,
        site_id,
    )
    return found


async def candidates(
    connection: Connection, tenant_id: UUID, wanted: BookAnySpace, *, soon: bool, salt: str
) -> list[UUID]:
    """Up to 100 spaces that nobody holds at the wanted time; those without a vehicle first where it is `soon`.

    Beyond that each `salt` has an order of its own, so that simultaneous bookings spread.
    """
    rows = await connection.fetch(
        """
        SELECT s.id FROM occupancy.space_directory s
        WHERE s.tenant_id = $1 AND s.site_id = $2 AND s.deleted_at IS NULL
          AND ($3::text IS NULL OR s.zone = $3) AND ($4::text IS NULL OR s.kind = $4)
          AND (s.override_state IS DISTINCT FROM 'maintenance' OR s.override_until <= $5)
          AND NOT EXISTS (
              SELECT FROM reservation.reservations r
              WHERE r.tenant_id = s.tenant_id AND r.space_id = s.id AND r.status = 'active'
                AND r.during && tstzrange($5, $6, '[)'))
        ORDER BY $7 AND s.state IN ('occupied', 'unknown'), md5(s.id::text || $8)
        LIMIT $9
        """,
        tenant_id,
        wanted.site_id,
        wanted.zone,
        wanted.kind,
        wanted.starts_at,
        wanted.ends_at,
        soon,
        salt,
        CANDIDATES,
    )
    return [row["id"] for row in rows]


def _place(row: asyncpg.Record) -> Place:
    return Place(
        tenant_id=row["tenant_id"],
        id=row["id"],
        site_id=row["site_id"],
        state=SpaceState(row["state"]),
        is_deleted=row["deleted_at"] is not None,
        override_state=row["override_state"] and SpaceState(row["override_state"]),
        override_until=row["override_until"],
        sensor=_sensor(row["sensor_eui"], row["sensor_occupied"], row["sensor_since"], silent=row["sensor_silent"]),
    )


def _sensor(eui: str | None, occupied: bool | None, since: datetime | None, *, silent: bool) -> Sensor | None:
    if eui is None or occupied is None or since is None or silent:
        return None
    return Sensor(occupied, since)
