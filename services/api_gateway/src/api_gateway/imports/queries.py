"""The SQL of exports: live rows in the order of a key, some thousand at a time. Functions take a connection."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection

Rows = Sequence[asyncpg.Record]
_FIRST = UUID(int=0)


async def sites_after(connection: Connection, tenant_id: UUID, last: asyncpg.Record | None, limit: int) -> Rows:
    """The live sites that follow `last`, by id."""
    return await connection.fetch(
        """
        SELECT id, name, time_zone, latitude, longitude FROM occupancy.site_directory
        WHERE tenant_id = $1 AND deleted_at IS NULL AND id > $2 ORDER BY id LIMIT $3
        """,
        tenant_id,
        last["id"] if last else _FIRST,
        limit,
    )


async def spaces_after(connection: Connection, tenant_id: UUID, last: asyncpg.Record | None, limit: int) -> Rows:
    """The live spaces that follow `last`, by site and code; `site` is the name, or the id where several have it."""
    return await connection.fetch(
        """
        WITH named AS (
            SELECT id, CASE WHEN count(*) OVER (PARTITION BY name) = 1 THEN name ELSE id::text END AS site
            FROM occupancy.site_directory WHERE tenant_id = $1 AND deleted_at IS NULL
        )
        SELECT s.site_id, named.site, s.code, s.name, s.kind, s.building, s.floor, s.zone, s.latitude, s.longitude,
               s.sensor_eui, s.display_eui, s.metadata
        FROM occupancy.space_directory s JOIN named ON named.id = s.site_id
        WHERE s.tenant_id = $1 AND s.deleted_at IS NULL AND (s.site_id, s.code) > ($2, $3)
        ORDER BY s.site_id, s.code LIMIT $4
        """,
        tenant_id,
        last["site_id"] if last else _FIRST,
        last["code"] if last else "",
        limit,
    )


async def devices_after(connection: Connection, tenant_id: UUID, last: asyncpg.Record | None, limit: int) -> Rows:
    """The devices that follow `last`, by DevEUI."""
    return await connection.fetch(
        """
        SELECT dev_eui, name, codec, heartbeat_seconds, confirm_seconds FROM occupancy.device_settings
        WHERE tenant_id = $1 AND dev_eui > $2 ORDER BY dev_eui LIMIT $3
        """,
        tenant_id,
        last["dev_eui"] if last else "",
        limit,
    )
