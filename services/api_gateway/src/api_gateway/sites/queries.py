"""The SQL behind the reads of sites, through the directory their owner grants."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from api_gateway.http.paging import Page
from parking_chassis.postgres import Connection

Rows = Sequence[asyncpg.Record]


SORT_COLUMNS = ("name", "time_zone", "created_at", "updated_at")


async def list_sites(
    connection: Connection, tenant_id: UUID, filters: tuple[bool, str | None], order: str, page: Page
) -> tuple[int, Rows]:
    """Sites in an order that `SORT_COLUMNS` allows. `filters`: include deleted, a part of the name (None: any)."""
    where = """
        FROM occupancy.site_directory
        WHERE tenant_id = $1 AND ($2 OR deleted_at IS NULL) AND ($3::text IS NULL OR strpos(lower(name), lower($3)) > 0)
    """
    total = await connection.fetchval(f"SELECT count(*) {where}", tenant_id, *filters)
    rows = await connection.fetch(
        f"SELECT * {where} ORDER BY {order} LIMIT $4 OFFSET $5", tenant_id, *filters, page.limit, page.offset
    )
    return total, rows


async def get_site(connection: Connection, tenant_id: UUID, site_id: UUID) -> asyncpg.Record | None:
    """One site, deleted or not."""
    return await connection.fetchrow(
        "SELECT * FROM occupancy.site_directory WHERE (tenant_id, id) = ($1, $2)", tenant_id, site_id
    )
