"""The SQL behind the reads of alerts, through the directory their owner grants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from api_gateway.http.paging import Page
from parking_chassis.postgres import Connection

Rows = Sequence[asyncpg.Record]

_COLUMNS = """
    tenant_id, id, source, key, kind, severity, state, dev_eui, space_id, summary, details, opened_at, closed_at,
    acknowledged_at, acknowledged_by, note
"""


async def list_alerts(connection: Connection, tenant_id: UUID, filters: Sequence[Any], page: Page) -> tuple[int, Rows]:
    """Alerts, the newest first. `filters`: states (empty: any), kind, severity, device, space (None: any)."""
    where = """
        FROM occupancy.alert_directory
        WHERE tenant_id = $1
          AND (cardinality($2::text[]) = 0 OR state = ANY($2))
          AND ($3::text IS NULL OR kind = $3)
          AND ($4::text IS NULL OR severity = $4)
          AND ($5::text IS NULL OR dev_eui = $5)
          AND ($6::uuid IS NULL OR space_id = $6)
    """
    total = await connection.fetchval(f"SELECT count(*) {where}", tenant_id, *filters)
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} {where} ORDER BY opened_at DESC, id DESC LIMIT $7 OFFSET $8",
        tenant_id,
        *filters,
        page.limit,
        page.offset,
    )
    return total, rows


async def get_alert(connection: Connection, tenant_id: UUID, alert_id: UUID) -> asyncpg.Record | None:
    """One alert of the tenant."""
    return await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM occupancy.alert_directory WHERE (tenant_id, id) = ($1, $2)",  # noqa: S608
        tenant_id,
        alert_id,
    )


async def alerts_of_device(connection: Connection, tenant_id: UUID, dev_eui: str) -> Rows:
    """A device's alerts that are not over, the newest first."""
    return await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM occupancy.alert_directory
        WHERE tenant_id = $1 AND dev_eui = $2 AND closed_at IS NULL ORDER BY opened_at DESC, id DESC
        """,  # noqa: S608
        tenant_id,
        dev_eui,
    )


async def newest_alerts(connection: Connection, tenant_id: UUID, limit: int) -> Rows:
    """The tenant's alerts that are not over, the newest first."""
    return await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM occupancy.alert_directory
        WHERE tenant_id = $1 AND closed_at IS NULL ORDER BY opened_at DESC, id DESC LIMIT $2
        """,  # noqa: S608
        tenant_id,
        limit,
    )
