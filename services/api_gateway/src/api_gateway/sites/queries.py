"""The SQL behind the reads of sites, through the directory their owner grants."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection

Rows = Sequence[asyncpg.Record]


async def list_sites(
    connection: Connection, tenant_id: UUID, *, include_deleted: bool, limit: int, offset: int
) -> tuple[int, Rows]:
    """Sites by name."""
    where = "FROM occupancy.site_directory WHERE tenant_id = $1 AND ($2 OR deleted_at IS NULL)"
    total = await connection.fetchval(f"SELECT count(*) {where}", tenant_id, include_deleted)
    rows = await connection.fetch(
        f"SELECT * {where} ORDER BY name, id LIMIT $3 OFFSET $4",
        tenant_id,
        include_deleted,
        limit,
        offset,
    )
    return total, rows


async def get_site(connection: Connection, tenant_id: UUID, site_id: UUID) -> asyncpg.Record | None:
    """One site, deleted or not."""
    return await connection.fetchrow(
        "SELECT * FROM occupancy.site_directory WHERE (tenant_id, id) = ($1, $2)", tenant_id, site_id
    )
