"""All the SQL of the gateway: its own tenants and keys, and reads through the views that other owners grant.

Every statement on a tenant's data filters by `tenant_id`, its first parameter; bindings and orphans are the platform
admin's, and span the tenants. Functions take a connection and never
commit. Rows come back as asyncpg records; lists come with the count of all that match.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from api_gateway.nearby import EARTH_RADIUS_METRES, Box
from parking_chassis.postgres import Connection

Rows = Sequence[asyncpg.Record]

_SPACE_COLUMNS = """
    tenant_id, id, site_id, code, name, kind, building, floor, zone, latitude, longitude, sensor_eui, display_eui,
    metadata, state, state_layer, state_reason, state_since, version, created_at, updated_at, deleted_at
"""
_LAYER_COLUMNS = """
    override_state, override_reason, override_since, override_until, sensor_heard, sensor_occupied, sensor_since,
    sensor_silent, reservation_id, reservation_since, reservation_until
"""
_SPACE_FILTER = """
    tenant_id = $1
    AND ($2::uuid IS NULL OR site_id = $2)
    AND ($3::text IS NULL OR building = $3)
    AND ($4::text IS NULL OR floor = $4)
    AND ($5::text IS NULL OR zone = $5)
    AND ($6::text IS NULL OR kind = $6)
    AND ($7::text IS NULL OR state = $7)
    AND ($8 OR deleted_at IS NULL)
"""
_DISTANCE = f"""
    2 * {EARTH_RADIUS_METRES} * asin(least(1, sqrt(
        power(sin(radians(latitude - $9) / 2), 2)
        + cos(radians($9)) * cos(radians(latitude)) * power(sin(radians(longitude - $10) / 2), 2)
    )))
"""


async def find_key(connection: Connection, key_id: str) -> asyncpg.Record | None:
    """One API key by its id: the one look-up before the tenant is known."""
    return await connection.fetchrow(
        "SELECT tenant_id, secret_sha256, scopes, platform_admin, revoked_at FROM gateway.api_keys WHERE id = $1",
        key_id,
    )


async def live_keys(connection: Connection, key_ids: Sequence[str]) -> set[str]:
    """Which of these keys still exist and are not revoked."""
    rows = await connection.fetch("SELECT id FROM gateway.api_keys WHERE id = ANY($1) AND revoked_at IS NULL", key_ids)
    return {row["id"] for row in rows}


async def lock_bootstrap(connection: Connection) -> None:
    """Let one process at a time make the first tenant, until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('gateway.bootstrap', 0))")


async def any_key(connection: Connection) -> bool:
    """Whether anybody can ask for anything yet."""
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM gateway.api_keys)"))


async def ensure_tenant(connection: Connection, name: str) -> UUID:
    """The oldest tenant of this name, made when there is none; the caller holds the bootstrap lock."""
    found = await connection.fetchval(
        "SELECT id FROM gateway.tenants WHERE name = $1 ORDER BY created_at LIMIT 1", name
    )
    made = found or await connection.fetchval("INSERT INTO gateway.tenants (name) VALUES ($1) RETURNING id", name)
    return UUID(str(made))


async def insert_key(connection: Connection, tenant_id: UUID, key_id: str, digest: bytes) -> None:
    """The first key: every scope, and the platform's admin."""
    await connection.execute(
        """
        INSERT INTO gateway.api_keys (tenant_id, id, name, secret_sha256, scopes, platform_admin)
        VALUES ($1, $2, 'bootstrap', $3, '{*}', true)
        """,
        tenant_id,
        key_id,
        digest,
    )


async def list_sites(
    connection: Connection, tenant_id: UUID, *, include_deleted: bool, limit: int, offset: int
) -> tuple[int, Rows]:
    """Sites by name."""
    where = "FROM occupancy.site_directory WHERE tenant_id = $1 AND ($2 OR deleted_at IS NULL)"
    total = await connection.fetchval(f"SELECT count(*) {where}", tenant_id, include_deleted)
    rows = await connection.fetch(
        f"SELECT * {where} ORDER BY name, id LIMIT $3 OFFSET $4",
        tenant_id,
        include_deleted,
        limit,
        offset,
    )
    return total, rows


async def get_site(connection: Connection, tenant_id: UUID, site_id: UUID) -> asyncpg.Record | None:
    """One site, deleted or not."""
    return await connection.fetchrow(
        "SELECT * FROM occupancy.site_directory WHERE (tenant_id, id) = ($1, $2)", tenant_id, site_id
    )


async def list_spaces(
    connection: Connection, tenant_id: UUID, filters: Sequence[Any], *, limit: int, offset: int
) -> tuple[int, Rows]:
    """Spaces by site and code. `filters`: site, building, floor, zone, kind, state (None: any), include deleted."""
    total = await connection.fetchval(
        f"SELECT count(*) FROM occupancy.space_directory WHERE {_SPACE_FILTER}",  # noqa: S608
        tenant_id,
        *filters,
    )
    rows = await connection.fetch(
        f"""
        SELECT {_SPACE_COLUMNS} FROM occupancy.space_directory
        WHERE {_SPACE_FILTER} ORDER BY site_id, code, id LIMIT $9 OFFSET $10
        """,  # noqa: S608
        tenant_id,
        *filters,
        limit,
        offset,
    )
    return total, rows


async def list_spaces_near(
    connection: Connection,
    tenant_id: UUID,
    filters: Sequence[Any],
    *,
    place: tuple[float, float, float, Box],
    limit: int,
    offset: int,
) -> tuple[int, Rows]:
    """Spaces nearest first, with `distance_m`. `place`: latitude, longitude, radius in metres, and its box."""
    latitude, longitude, radius, box = place
    rows = await connection.fetch(
        f"""
        WITH boxed AS (
            SELECT {_SPACE_COLUMNS}, {_DISTANCE} AS distance_m FROM occupancy.space_directory
            WHERE {_SPACE_FILTER} AND latitude BETWEEN $11 AND $12
              AND (longitude BETWEEN $13 AND $14 OR longitude BETWEEN $15 AND $16)
        )
        SELECT *, count(*) OVER () AS total FROM boxed
        WHERE distance_m <= $17 ORDER BY distance_m, id LIMIT $18 OFFSET $19
        """,  # noqa: S608
        tenant_id,
        *filters,
        latitude,
        longitude,
        box.south,
        box.north,
        box.west,
        box.east,
        box.west_too,
        box.east_too,
        radius,
        limit,
        offset,
    )
    if not rows and offset:
        return (await list_spaces_near(connection, tenant_id, filters, place=place, limit=1, offset=0))[0], rows
    return (rows[0]["total"] if rows else 0), rows


async def get_space(connection: Connection, tenant_id: UUID, space_id: UUID) -> asyncpg.Record | None:
    """One space, deleted or not, with what each layer says."""
    return await connection.fetchrow(
        f"""
        SELECT {_SPACE_COLUMNS}, {_LAYER_COLUMNS} FROM occupancy.space_directory WHERE (tenant_id, id) = ($1, $2)
        """,  # noqa: S608
        tenant_id,
        space_id,
    )


async def count_states(connection: Connection, tenant_id: UUID, site_id: UUID | None) -> Rows:
    """Live spaces per state: in all, and by site, building, floor, zone and kind.

    `grouped` says which columns a row is grouped by, as PostgreSQL's GROUPING bits (0: grouped by it).
    """
    return await connection.fetch(
        """
        SELECT site_id, building, floor, zone, kind, state, count(*) AS spaces,
               GROUPING(site_id, building, floor, zone, kind) AS grouped, now() AS counted_at
        FROM occupancy.space_directory
        WHERE tenant_id = $1 AND deleted_at IS NULL AND ($2::uuid IS NULL OR site_id = $2)
        GROUP BY GROUPING SETS (
            (state), (site_id, state), (site_id, building, state), (site_id, building, floor, state),
            (site_id, zone, state), (kind, state)
        )
        ORDER BY grouped, site_id, building NULLS FIRST, floor NULLS FIRST, zone NULLS FIRST, kind
        """,
        tenant_id,
        site_id,
    )


async def place_of_space(connection: Connection, tenant_id: UUID, space_id: UUID) -> asyncpg.Record | None:
    """The site and zone of a space, deleted or not."""
    return await connection.fetchrow(
        "SELECT site_id, zone FROM occupancy.space_directory WHERE (tenant_id, id) = ($1, $2)", tenant_id, space_id
    )


async def list_devices(
    connection: Connection, tenant_id: UUID, filters: Sequence[Any], *, limit: int, offset: int
) -> tuple[int, Rows]:
    """Devices by DevEUI. `filters`: silent, assigned to a space (None: any)."""
    where = """
        FROM occupancy.device_directory
        WHERE tenant_id = $1
          AND ($2::boolean IS NULL OR silent = $2)
          AND ($3::boolean IS NULL OR (space_id IS NOT NULL) = $3)
    """
    total = await connection.fetchval(f"SELECT count(*) {where}", tenant_id, *filters)
    rows = await connection.fetch(
        f"SELECT * {where} ORDER BY dev_eui LIMIT $4 OFFSET $5",
        tenant_id,
        *filters,
        limit,
        offset,
    )
    return total, rows


async def get_device(connection: Connection, tenant_id: UUID, dev_eui: str) -> asyncpg.Record | None:
    """One device of the tenant."""
    return await connection.fetchrow(
        "SELECT * FROM occupancy.device_directory WHERE (tenant_id, dev_eui) = ($1, $2)", tenant_id, dev_eui
    )


async def list_orphans(connection: Connection, filters: Sequence[Any], *, limit: int, offset: int) -> tuple[int, Rows]:
    """Devices whose frames wait, the last heard first. `filters`: source, application id, reason (None: any)."""
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
        {where} ORDER BY last_received_at DESC, source, application_id, dev_eui LIMIT $4 OFFSET $5
        """,
        *filters,
        limit,
        offset,
    )
    return total, rows


async def list_applications(connection: Connection, *, limit: int, offset: int) -> tuple[int, Rows]:
    """Bindings of applications to tenants, of all tenants."""
    total = await connection.fetchval("SELECT count(*) FROM occupancy.application_directory")
    rows = await connection.fetch(
        """
        SELECT source, application_id, tenant_id, clock, object_mapping, created_at
        FROM occupancy.application_directory ORDER BY source, application_id LIMIT $1 OFFSET $2
        """,
        limit,
        offset,
    )
    return total, rows
