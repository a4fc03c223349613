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

Filters = tuple[str | None, UUID | None, list[str] | None, str | None, datetime | None, datetime | None]
"""Device, space, statuses, kind, made at or after, made before; None: any."""

# Only what is asked for stands in the statement: each list walks the index that fits it.
_CONDITIONS = (
    "dev_eui = ${}",
    "space_id = ${}",
    "status = ANY(${}::text[])",
    "kind = ${}",
    "created_at >= ${}",
    "created_at < ${}",
)
_COLUMNS = """
    tenant_id, id, dev_eui, space_id, kind, f_port, encode(payload, 'hex') AS payload, confirmed, command, cause,
    requested_by, status, attempts, last_error, queue_item_id, gateway_id, f_cnt_down, created_at, expires_at, sent_at,
    transmitted_at, acknowledged_at, ended_at
"""


async def list_downlinks(
    connection: Connection, tenant_id: UUID, filters: Filters, before: Place | None, limit: int
) -> Rows:
    """Commands, the newest first, behind a place if one is given."""
    arguments: list[Any] = [tenant_id]
    conditions = ["tenant_id = $1"]
    for condition, value in zip(_CONDITIONS, filters, strict=True):
        if value is not None:
            arguments.append(value)
            conditions.append(condition.format(len(arguments)))
    if before is not None:
        conditions.append(f"(created_at, id) < (${len(arguments) + 1}, ${len(arguments) + 2})")
        arguments += before
    return await connection.fetch(
        f"""
        SELECT {_COLUMNS} FROM downlink.downlink_directory
        WHERE {" AND ".join(conditions)}
        ORDER BY created_at DESC, id DESC LIMIT ${len(arguments) + 1}
        """,  # noqa: S608  put together from the constants here
        *arguments,
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
