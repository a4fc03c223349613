"""The SQL behind the reads of devices, orphans and application bindings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection

Rows = Sequence[asyncpg.Record]


async def list_devices(
    connection: Connection, tenant_id: UUID, filters: Sequence[Any], *, limit: int, offset: int
) -> tuple[int, Rows]:
    """Devices by DevEUI. `filters`: silent, assigned to a space (None: any)."""
    where = """
        FROM occupancy.device_directory
        WHERE tenant_id = $1
          AND ($2::boolean IS NULL OR silent = $2)
          AND ($3::boolean IS NULL OR (space_id IS NOT NULL) = $3)
    """
    total = await connection.fetchval(f"SELECT count(*) {where}", tenant_id, *filters)
    rows = await connection.fetch(
        f"SELECT * {where} ORDER BY dev_eui LIMIT $4 OFFSET $5",
        tenant_id,
        *filters,
        limit,
        offset,
    )
    return total, rows


async def get_device(connection: Connection, tenant_id: UUID, dev_eui: str) -> asyncpg.Record | None:
    """One device of the tenant."""
    return await connection.fetchrow(
        "SELECT * FROM occupancy.device_directory WHERE (tenant_id, dev_eui) = ($1, $2)", tenant_id, dev_eui
    )


async def list_orphans(connection: Connection, filters: Sequence[Any], *, limit: int, offset: int) -> tuple[int, Rows]:
    """Devices whose frames wait, the last heard first. `filters`: source, application id, reason (None: any)."""
    where = """
        FROM occupancy.orphan_directory
        WHERE ($1::text IS NULL OR source = $1)
          AND ($2::text IS NULL OR application_id = $2)
          AND ($3::text IS NULL OR reason = $3)
    """
    total = await connection.fetchval(f"SELECT count(*) {where}", *filters)
    rows = await connection.fetch(
        f"""
        SELECT source, application_id, dev_eui, reason, frames, first_received_at, last_received_at, profile_name
        {where} ORDER BY last_received_at DESC, source, application_id, dev_eui LIMIT $4 OFFSET $5
        """,
        *filters,
        limit,
        offset,
    )
    return total, rows


async def list_applications(connection: Connection, *, limit: int, offset: int) -> tuple[int, Rows]:
    """Bindings of applications to tenants, of all tenants."""
    total = await connection.fetchval("SELECT count(*) FROM occupancy.application_directory")
    rows = await connection.fetch(
        """
        SELECT source, application_id, tenant_id, clock, object_mapping, created_at
        FROM occupancy.application_directory ORDER BY source, application_id LIMIT $1 OFFSET $2
        """,
        limit,
        offset,
    )
    return total, rows
