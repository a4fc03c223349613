"""What an import compares its rows with, read at once, and the lock that lets a tenant's imports run one by one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

import msgspec

from parking_chassis.postgres import Connection
from parking_contracts.space import SpaceView
from parking_contracts.space_commands import SiteView


async def lock_imports(connection: Connection, tenant_id: UUID) -> None:
    """Wait for the tenant's other imports; until the transaction ends there is no second one."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('occupancy.import' || $1, 0))", str(tenant_id)
    )


async def live_sites(connection: Connection, tenant_id: UUID) -> list[SiteView]:
    """All of them."""
    rows = await connection.fetch(
        "SELECT * FROM occupancy.sites WHERE tenant_id = $1 AND deleted_at IS NULL", tenant_id
    )
    return [msgspec.convert(dict(row), SiteView) for row in rows]


async def spaces_by_code(
    connection: Connection, tenant_id: UUID, keys: Collection[tuple[UUID, str]]
) -> dict[tuple[UUID, str], SpaceView]:
    """The live spaces with these sites and codes."""
    rows = await connection.fetch(
        """
        SELECT s.* FROM occupancy.spaces s
        JOIN unnest($2::uuid[], $3::text[]) AS wanted (site_id, code) USING (site_id, code)
        WHERE s.tenant_id = $1 AND s.deleted_at IS NULL
        """,
        tenant_id,
        [site_id for site_id, _ in keys],
        [code for _, code in keys],
    )
    return {(row["site_id"], row["code"]): msgspec.convert(dict(row), SpaceView) for row in rows}


async def device_settings(connection: Connection, tenant_id: UUID, euis: Collection[str]) -> dict[str, dict[str, Any]]:
    """What was set for these devices, by DevEUI."""
    rows = await connection.fetch(
        """
        SELECT dev_eui, name, codec, heartbeat_seconds, confirm_seconds FROM occupancy.devices
        WHERE tenant_id = $1 AND dev_eui = ANY($2)
        """,
        tenant_id,
        list(euis),
    )
    return {row["dev_eui"]: dict(row) for row in rows}
