"""The SQL behind the reads of displays, through the directory their owner grants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from api_gateway.http.paging import Page
from parking_chassis.postgres import Connection

Rows = Sequence[asyncpg.Record]

SORT_COLUMNS = ("dev_eui", "codec", "truth", "desired_at", "sent_at", "reported_at")
# Not a join: before the first ANALYZE the planner would compare every display with every space.
_DISPLAYS = """
    SELECT tenant_id, dev_eui, codec, space_id, counter_site_id, counter_zone, truth, desired, desired_f_port,
           encode(desired_payload, 'hex') AS desired_payload, desired_cause, desired_version, desired_at, sent_version,
           sent_at, due_at, reported, reported_at, joined_at, mended, gateway_id, created_at,
           coalesce(counter_site_id, (SELECT s.site_id FROM occupancy.space_directory s
                                      WHERE s.tenant_id = d.tenant_id AND s.id = d.space_id)) AS site_id
    FROM downlink.display_directory d WHERE tenant_id = $1
"""


async def list_displays(
    connection: Connection, tenant_id: UUID, filters: Sequence[Any], order: str, page: Page
) -> tuple[int, Rows]:
    """Displays in an order that `SORT_COLUMNS` allows. `filters`: truth, codec, space, site, gateway (None: any)."""
    where = f"""
        FROM ({_DISPLAYS}) displays
        WHERE ($2::text IS NULL OR truth = $2)
          AND ($3::text IS NULL OR codec = $3)
          AND ($4::uuid IS NULL OR space_id = $4)
          AND ($5::uuid IS NULL OR site_id = $5)
          AND ($6::text IS NULL OR gateway_id = $6)
    """
    total = await connection.fetchval(f"SELECT count(*) {where}", tenant_id, *filters)
    rows = await connection.fetch(
        f"SELECT * {where} ORDER BY {order} LIMIT $7 OFFSET $8", tenant_id, *filters, page.limit, page.offset
    )
    return total, rows


async def get_display(connection: Connection, tenant_id: UUID, dev_eui: str) -> asyncpg.Record | None:
    """One display of the tenant."""
    return await connection.fetchrow(f"{_DISPLAYS} AND dev_eui = $2", tenant_id, dev_eui)
