"""Signs that count free spaces, as clients set them: which zone, or site, each of them counts.

In: a connection that acts for one tenant.
"""

from __future__ import annotations

from uuid import UUID

from parking_chassis.postgres import Connection


async def has_site(connection: Connection, tenant_id: UUID, site_id: UUID) -> bool:
    """Whether there is such a site, not deleted."""
    found: bool = await connection.fetchval(
        """
        SELECT EXISTS (SELECT FROM occupancy.site_directory WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL)
        """,
        tenant_id,
        site_id,
    )
    return found


async def set_counter(connection: Connection, tenant_id: UUID, dev_eui: str, site_id: UUID, zone: str | None) -> None:
    """Let a sign count the free spaces of a zone, or of a site."""
    await connection.execute(
        """
        INSERT INTO downlink.zone_counters (tenant_id, dev_eui, site_id, zone) VALUES ($1, $2, $3, $4)
        ON CONFLICT (tenant_id, dev_eui) DO UPDATE SET site_id = excluded.site_id, zone = excluded.zone
        """,
        tenant_id,
        dev_eui,
        site_id,
        zone,
    )


async def remove_counter(connection: Connection, tenant_id: UUID, dev_eui: str) -> bool:
    """Let it count no more; whether it did."""
    status = await connection.execute(
        "DELETE FROM downlink.zone_counters WHERE tenant_id = $1 AND dev_eui = $2", tenant_id, dev_eui
    )
    return status != "DELETE 0"
