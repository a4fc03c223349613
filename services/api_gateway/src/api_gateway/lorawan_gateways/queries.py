"""The SQL behind the reads of LoRaWAN gateways, through the directories their owner grants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from api_gateway.http.paging import Page
from parking_chassis.postgres import Connection

Rows = Sequence[asyncpg.Record]

SORT_COLUMNS = ("name", "gateway_id", "state", "last_seen_at", "received_24h", "sent_24h")
_COLUMNS = """
    tenant_id, gateway_id, name, description, latitude, longitude, altitude, state, last_seen_at, received_24h,
    sent_24h, synced_at
"""


async def list_gateways(
    connection: Connection, tenant_id: UUID, filters: Sequence[Any], order: str, page: Page
) -> tuple[int, Rows]:
    """Gateways in an order that `SORT_COLUMNS` allows. `filters`: state, a part of id or name (None: any)."""
    where = """
        FROM downlink.gateway_directory
        WHERE tenant_id = $1
          AND ($2::text IS NULL OR state = $2)
          AND ($3::text IS NULL OR strpos(gateway_id, lower($3)) > 0 OR strpos(lower(name), lower($3)) > 0)
    """
    total = await connection.fetchval(f"SELECT count(*) {where}", tenant_id, *filters)
    rows = await connection.fetch(
        f"SELECT {_COLUMNS} {where} ORDER BY {order} LIMIT $4 OFFSET $5", tenant_id, *filters, page.limit, page.offset
    )
    return total, rows


async def get_gateway(connection: Connection, tenant_id: UUID, gateway_id: str) -> asyncpg.Record | None:
    """One gateway that serves the tenant."""
    return await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM downlink.gateway_directory WHERE (tenant_id, gateway_id) = ($1, $2)",  # noqa: S608
        tenant_id,
        gateway_id,
    )


async def count_displays(connection: Connection, tenant_id: UUID, gateway_id: str) -> dict[str, int]:
    """The tenant's displays last heard over a gateway, by what is known of them."""
    rows = await connection.fetch(
        """
        SELECT truth, count(*) AS count FROM downlink.display_directory
        WHERE tenant_id = $1 AND gateway_id = $2 GROUP BY truth
        """,
        tenant_id,
        gateway_id,
    )
    return {row["truth"]: row["count"] for row in rows}


async def count_downlinks(connection: Connection, tenant_id: UUID, gateway_id: str) -> dict[str, int]:
    """The tenant's downlinks of 24 hours through a gateway, by status."""
    rows = await connection.fetch(
        """
        SELECT status, count(*) AS count FROM downlink.downlink_directory
        WHERE tenant_id = $1 AND gateway_id = $2 AND created_at > now() - interval '1 day' GROUP BY status
        """,
        tenant_id,
        gateway_id,
    )
    return {row["status"]: row["count"] for row in rows}


async def time_to_air(connection: Connection, tenant_id: UUID, gateway_id: str) -> asyncpg.Record:
    """When a gateway last sent one of these, and the median of how long that took."""
    (row,) = await connection.fetch(
        """
        SELECT max(transmitted_at) AS last_transmitted_at,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM transmitted_at - sent_at)::float8)
                   AS median_seconds_to_air
        FROM downlink.downlink_directory
        WHERE tenant_id = $1 AND gateway_id = $2 AND created_at > now() - interval '1 day'
          AND transmitted_at IS NOT NULL
        """,
        tenant_id,
        gateway_id,
    )
    return row
