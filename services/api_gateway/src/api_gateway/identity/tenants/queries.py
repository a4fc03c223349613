"""The SQL of tenants. A request sees its own; a platform admin's sees all."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection

_TENANTS = "SELECT id, name, created_at FROM gateway.tenants"
SORT_COLUMNS = ("name", "created_at")


async def list_tenants(
    connection: Connection, order: str, limit: int, offset: int
) -> tuple[int, Sequence[asyncpg.Record]]:
    """Every tenant that row-level security shows; there is no tenant to filter by."""
    total = await connection.fetchval("SELECT count(*) FROM gateway.tenants")
    rows = await connection.fetch(f"{_TENANTS} ORDER BY {order} LIMIT $1 OFFSET $2", limit, offset)
    return total, rows


async def get_tenant(connection: Connection, tenant_id: UUID) -> asyncpg.Record | None:
    """One tenant."""
    return await connection.fetchrow(f"{_TENANTS} WHERE id = $1", tenant_id)


async def insert_tenant(connection: Connection, tenant_id: UUID, name: str) -> bool:
    """A new tenant, in a transaction that works for it; false when the id is taken."""
    made = await connection.fetchval(
        "INSERT INTO gateway.tenants (id, name) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true", tenant_id, name
    )
    return bool(made)
