"""What the clock looks for: spaces whose reservations are owed something, by their own times and by their sensors."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from parking_chassis.postgres import Connection
from reservation_service.domain.reservation import Rules
from reservation_service.store.locks import SpaceKey

# An overstay found later than this is no news to anybody.
OVERSTAYS_SOUGHT = timedelta(days=1)


async def spaces_due(
    connection: Connection, now: datetime, rules: Rules, *, tenant_id: UUID | None = None
) -> list[SpaceKey]:
    """(tenant, space) in which a window opens, time is over, somebody is missed, or a vehicle was not noticed.

    It may name a space to which nothing is owed after all: the rules decide, under the lock.
    """
    rows = await connection.fetch(
        """
        SELECT r.tenant_id, r.space_id FROM reservation.reservations r
        WHERE r.status = 'active' AND r.ends_at <= $1 AND ($6::uuid IS NULL OR r.tenant_id = $6)
        UNION
        SELECT r.tenant_id, r.space_id
        FROM reservation.reservations r
        JOIN occupancy.space_directory s ON s.tenant_id = r.tenant_id AND s.id = r.space_id
        WHERE r.status = 'active' AND r.starts_at <= $1 + $2::interval AND r.checked_in_at IS NULL
          AND ($6::uuid IS NULL OR r.tenant_id = $6)
          AND (r.opened_at IS NULL OR s.deleted_at IS NOT NULL
               OR greatest(r.starts_at, r.opened_at, r.cleared_at) + $3::interval <= $1
               -- without a sensor nobody is seen: else every such reservation would be looked at in every round
               OR coalesce(s.sensor_occupied AND NOT s.sensor_silent, false) <>
                  (r.obstructed_at IS NOT NULL AND r.cleared_at IS NULL))
        UNION
        SELECT r.tenant_id, r.space_id
        FROM reservation.reservations r
        JOIN occupancy.space_directory s ON s.tenant_id = r.tenant_id AND s.id = r.space_id
        WHERE r.status = 'completed' AND r.checked_in_at IS NOT NULL AND r.overstayed_at IS NULL
          AND r.ends_at + $4::interval <= $1 AND r.ends_at > $1 - $5::interval
          AND ($6::uuid IS NULL OR r.tenant_id = $6)
          AND s.deleted_at IS NULL AND s.sensor_occupied AND NOT s.sensor_silent AND s.sensor_since < r.ends_at
        ORDER BY 1, 2
        """,
        now,
        rules.lead,
        rules.no_show_grace,
        rules.overstay_grace,
        OVERSTAYS_SOUGHT,
        tenant_id,
    )
    return [(row["tenant_id"], row["space_id"]) for row in rows]


async def spaces_concerned(
    connection: Connection, spaces: Collection[SpaceKey], now: datetime, rules: Rules
) -> set[SpaceKey]:
    """Those of these spaces that have an active reservation to which what happens there now may matter."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT r.tenant_id, r.space_id FROM reservation.reservations r
        JOIN unnest($1::uuid[], $2::uuid[]) AS changed (tenant_id, space_id) USING (tenant_id, space_id)
        WHERE r.status = 'active' AND r.starts_at <= $3
        """,
        [tenant_id for tenant_id, _ in spaces],
        [space_id for _, space_id in spaces],
        now + rules.lead,
    )
    return {(row["tenant_id"], row["space_id"]) for row in rows}
