"""The SQL behind the reads of devices, orphans and application bindings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from api_gateway.http.paging import Page
from parking_chassis.postgres import Connection

Rows = Sequence[asyncpg.Record]


DEVICE_SORT_COLUMNS = ("dev_eui", "name", "last_seen_at", "battery_volts", "battery_percent", "rssi", "snr")


async def list_devices(
    connection: Connection, tenant_id: UUID, filters: Sequence[Any], order: str, page: Page
) -> tuple[int, Rows]:
    """Devices in an order that `DEVICE_SORT_COLUMNS` allows.

    `filters`: silent, assigned to a space, flapping, application id, a part of DevEUI or name (None: any).
    """
    where = """
        FROM occupancy.device_directory
        WHERE tenant_id = $1
          AND ($2::boolean IS NULL OR silent = $2)
          AND ($3::boolean IS NULL OR (space_id IS NOT NULL) = $3)
          AND ($4::boolean IS NULL OR flapping = $4)
          AND ($5::text IS NULL OR application_id = $5)
          AND ($6::text IS NULL OR strpos(dev_eui, lower($6)) > 0 OR strpos(lower(name), lower($6)) > 0)
    """
    total = await connection.fetchval(f"SELECT count(*) {where}", tenant_id, *filters)
    rows = await connection.fetch(
        f"SELECT * {where} ORDER BY {order} LIMIT $7 OFFSET $8", tenant_id, *filters, page.limit, page.offset
    )
    return total, rows


async def get_device(connection: Connection, tenant_id: UUID, dev_eui: str) -> asyncpg.Record | None:
    """One device of the tenant."""
    return await connection.fetchrow(
        "SELECT * FROM occupancy.device_directory WHERE (tenant_id, dev_eui) = ($1, $2)", tenant_id, dev_eui
    )


ORPHAN_SORT_COLUMNS = (
    "source",
    "application_id",
    "dev_eui",
    "reason",
    "frames",
    "first_received_at",
    "last_received_at",
)


async def list_orphans(connection: Connection, filters: Sequence[Any], order: str, page: Page) -> tuple[int, Rows]:
    """Devices whose frames wait. `filters`: source, application id, reason (None: any)."""
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
        {where} ORDER BY {order}, source, application_id LIMIT $4 OFFSET $5
        """,
        *filters,
        page.limit,
        page.offset,
    )
    return total, rows


APPLICATION_SORT_COLUMNS = ("source", "application_id", "tenant_id", "created_at")


async def list_applications(connection: Connection, filters: Sequence[Any], order: str, page: Page) -> tuple[int, Rows]:
    """Bindings of applications to tenants. `filters`: tenant, source (None: any)."""
    where = """
        FROM occupancy.application_directory
        WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2::text IS NULL OR source = $2)
    """
    total = await connection.fetchval(f"SELECT count(*) {where}", *filters)
    rows = await connection.fetch(
        f"""
        SELECT source, application_id, tenant_id, clock, object_mapping, created_at
        {where} ORDER BY {order}, source LIMIT $3 OFFSET $4
        """,
        *filters,
        page.limit,
        page.offset,
    )
    return total, rows
