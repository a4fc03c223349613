"""The SQL behind the reads of downlinks, through the directory their owner grants."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection

Rows = Sequence[asyncpg.Record]
Place = tuple[datetime, UUID]
"""(created_at, id): newest first, those of one moment by id."""

_COLUMNS = """
    tenant_id, id, dev_eui, space_id, kind, f_port, encode(payload, 'hex') AS payload, confirmed, command, cause,
    requested_by, status, attempts, last_error, queue_item_id, gateway_id, f_cnt_down, created_at, expires_at, sent_at,
    transmitted_at, acknowledged_at, ended_at
"""


async def list_downlinks(
    connection: Connection, tenant_id: UUID, filters: Sequence[Any], before: Place | None, limit: int
) -> Rows:
    """Commands, the newest first.

    `filters`: device, space, statuses (empty: any), kind, made at or after, made before (None: any).
    """
    return await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM downlink.downlink_directory
        WHERE tenant_id = $1
          AND ($2::text IS NULL OR dev_eui = $2)
          AND ($3::uuid IS NULL OR space_id = $3)
          AND (cardinality($4::text[]) = 0 OR status = ANY($4))
          AND ($5::text IS NULL OR kind = $5)
          AND created_at >= coalesce($6::timestamptz, '-infinity')
          AND created_at < coalesce($7::timestamptz, 'infinity')
          AND ($8::timestamptz IS NULL OR (created_at, id) < ($8, $9::uuid))
        ORDER BY created_at DESC, id DESC LIMIT $10
        """,  # noqa: S608
        tenant_id,
        *filters,
        *(before or (None, None)),
        limit,
    )


async def get_downlink(connection: Connection, tenant_id: UUID, downlink_id: UUID) -> asyncpg.Record | None:
    """One command of the tenant."""
    return await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM downlink.downlink_directory WHERE (tenant_id, id) = ($1, $2)",  # noqa: S608
        tenant_id,
        downlink_id,
    )


async def list_steps(connection: Connection, tenant_id: UUID, downlink_id: UUID) -> Rows:
    """What happened to a command, the first one first."""
    return await connection.fetch(
        """
        SELECT at, status, detail FROM downlink.step_history WHERE tenant_id = $1 AND downlink_id = $2 ORDER BY n
        """,
        tenant_id,
        downlink_id,
    )
