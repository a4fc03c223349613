"""The SQL behind the statistics."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection

Rows = Sequence[asyncpg.Record]


async def count_states(connection: Connection, tenant_id: UUID, site_id: UUID | None) -> Rows:
    """Live spaces per state: in all, and by site, building, floor, zone and kind.

    `grouped` says which columns a row is grouped by, as PostgreSQL's GROUPING bits (0: grouped by it).
    """
    return await connection.fetch(
        """
        WITH counts AS (
            SELECT site_id, building, floor, zone, kind, state, count(*) AS spaces,
                   GROUPING(site_id, building, floor, zone, kind) AS grouped, now() AS counted_at
            FROM occupancy.space_directory
            WHERE tenant_id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR site_id = $2)
            GROUP BY GROUPING SETS (
                (state), (site_id, state), (site_id, building, state), (site_id, building, floor, state),
                (site_id, zone, state), (kind, state)
            )
        )
        SELECT counts.*, sites.name AS site_name
        FROM counts LEFT JOIN occupancy.site_directory sites ON (sites.tenant_id, sites.id) = ($1, counts.site_id)
        ORDER BY grouped, site_name, site_id, building NULLS FIRST, floor NULLS FIRST, zone NULLS FIRST, kind
        """,
        tenant_id,
        site_id,
    )
