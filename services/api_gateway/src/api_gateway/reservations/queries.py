"""The SQL behind the reads of reservations, through the directory their owner grants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from api_gateway.http.paging import Page
from parking_chassis.postgres import Connection

Rows = Sequence[asyncpg.Record]

_COLUMNS = """
    tenant_id, id, space_id, starts_at, ends_at, email, phone, metadata, status, opened_at, checked_in_at,
    checked_in_by, obstructed_at, overstayed_at, ended_at, cancel_reason, created_by, created_at, updated_at, version
"""
_FILTER = """
    tenant_id = $1
    AND ($2::uuid IS NULL OR space_id = $2)
    AND ($3::text IS NULL OR lower(email) = lower($3))
    AND ($4::text IS NULL OR status = $4)
    AND ($5::timestamptz IS NULL OR ends_at > $5)
    AND ($6::timestamptz IS NULL OR starts_at < $6)
"""


async def list_reservations(
    connection: Connection, tenant_id: UUID, filters: Sequence[Any], page: Page
) -> tuple[int, Rows]:
    """Newest first. `filters`: space, e-mail in any case, status, and the time it overlaps, from and to (None: any)."""
    total = await connection.fetchval(
        f"SELECT count(*) FROM reservation.reservation_directory WHERE {_FILTER}",  # noqa: S608
        tenant_id,
        *filters,
    )
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM reservation.reservation_directory
        WHERE {_FILTER} ORDER BY starts_at DESC, id DESC LIMIT $7 OFFSET $8
        """,  # noqa: S608
        tenant_id,
        *filters,
        page.limit,
        page.offset,
    )
    return total, rows


async def get_reservation(connection: Connection, tenant_id: UUID, reservation_id: UUID) -> asyncpg.Record | None:
    """One reservation."""
    return await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM reservation.reservation_directory WHERE (tenant_id, id) = ($1, $2)",  # noqa: S608
        tenant_id,
        reservation_id,
    )
