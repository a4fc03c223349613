"""The rows of sites."""

from __future__ import annotations

from uuid import UUID

import asyncpg
import msgspec

from parking_chassis.postgres import Connection
from parking_contracts.space_commands import CreateSite, SiteView


async def insert(connection: Connection, tenant_id: UUID, site: CreateSite) -> SiteView:
    """A new row. Raises UniqueViolationError when the chosen id is taken."""
    row = await connection.fetchrow(
        """
        INSERT INTO occupancy.sites (tenant_id, id, name, time_zone, latitude, longitude)
        VALUES ($1, coalesce($2, uuidv7()), $3, $4, $5, $6) RETURNING *
        """,
        tenant_id,
        site.id,
        site.name,
        site.time_zone,
        site.latitude,
        site.longitude,
    )
    return _view(row)


async def lock(connection: Connection, tenant_id: UUID, site_id: UUID) -> SiteView | None:
    """A live site, its row locked."""
    row = await connection.fetchrow(
        """
        SELECT * FROM occupancy.sites WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL FOR NO KEY UPDATE
        """,
        tenant_id,
        site_id,
    )
    return _view(row) if row else None


async def share(connection: Connection, tenant_id: UUID, site_id: UUID) -> bool:
    """Whether there is such a live site; it cannot be deleted before this transaction ends."""
    found = await connection.fetchval(
        "SELECT true FROM occupancy.sites WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL FOR SHARE",
        tenant_id,
        site_id,
    )
    return bool(found)


async def live_spaces(connection: Connection, site: SiteView) -> int:
    """How many live spaces stand on it."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM occupancy.spaces WHERE tenant_id = $1 AND site_id = $2 AND deleted_at IS NULL",
        site.tenant_id,
        site.id,
    )
    return count


async def write(connection: Connection, site: SiteView) -> SiteView:
    """The site as it is now."""
    row = await connection.fetchrow(
        """
        UPDATE occupancy.sites SET name = $3, time_zone = $4, latitude = $5, longitude = $6, updated_at = now()
        WHERE tenant_id = $1 AND id = $2 RETURNING *
        """,
        site.tenant_id,
        site.id,
        site.name,
        site.time_zone,
        site.latitude,
        site.longitude,
    )
    return _view(row)


async def delete(connection: Connection, site: SiteView) -> SiteView:
    """Marked as deleted."""
    row = await connection.fetchrow(
        """
        UPDATE occupancy.sites SET deleted_at = now(), updated_at = now()
        WHERE tenant_id = $1 AND id = $2 RETURNING *
        """,
        site.tenant_id,
        site.id,
    )
    return _view(row)


def _view(row: asyncpg.Record | None) -> SiteView:
    return msgspec.convert(dict(row or {}), SiteView)
