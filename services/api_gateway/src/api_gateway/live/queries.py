"""Where a space is, for the events that do not say it; and where restores left the event streams."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from api_gateway.live.position import Restore
from parking_chassis.postgres import Connection


async def place_of_space(connection: Connection, tenant_id: UUID, space_id: UUID) -> asyncpg.Record | None:
    """The site and zone of a space, deleted or not."""
    return await connection.fetchrow(
        "SELECT site_id, zone FROM occupancy.space_directory WHERE (tenant_id, id) = ($1, $2)", tenant_id, space_id
    )


async def list_restores(connection: Connection) -> list[Restore]:
    """The oldest first."""
    rows = await connection.fetch("SELECT number, spaces_end, reservations_end FROM gateway.restores ORDER BY number")
    return [Restore(row["number"], (row["spaces_end"], row["reservations_end"])) for row in rows]
