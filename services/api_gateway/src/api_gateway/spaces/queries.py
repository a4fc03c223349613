"""The SQL behind the reads of spaces, through the directory their owner grants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from api_gateway.http.paging import Page
from api_gateway.spaces.nearby import EARTH_RADIUS_METRES, Box
from parking_chassis.postgres import Connection

Row = dict[str, Any]

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
    AND ($9::text IS NULL OR strpos(lower(code), lower($9)) > 0 OR strpos(lower(name), lower($9)) > 0)
"""
_DISTANCE = f"""
    2 * {EARTH_RADIUS_METRES} * asin(least(1, sqrt(
        power(sin(radians(latitude - $10) / 2), 2)
        + cos(radians($10)) * cos(radians(latitude)) * power(sin(radians(longitude - $11) / 2), 2)
    )))
"""
SORT_COLUMNS = (
    *("site_id", "code", "name", "kind", "building", "floor", "zone"),
    *("state", "state_since", "version", "created_at", "updated_at"),
)


async def list_spaces(
    connection: Connection, tenant_id: UUID, filters: Sequence[Any], order: str, page: Page
) -> tuple[int, list[Row]]:
    """Spaces in an order that `SORT_COLUMNS` allows.

    `filters`: site, building, floor, zone, kind, state (None: any), include deleted, a part of code or name.
    """
    total = await connection.fetchval(
        f"SELECT count(*) FROM occupancy.space_directory WHERE {_SPACE_FILTER}",  # noqa: S608
        tenant_id,
        *filters,
    )
    rows = await connection.fetch(
        f"""
        SELECT {_SPACE_COLUMNS}, NULL::float8 AS distance_m FROM occupancy.space_directory
        WHERE {_SPACE_FILTER} ORDER BY {order} LIMIT $10 OFFSET $11
        """,  # noqa: S608
        tenant_id,
        *filters,
        page.limit,
        page.offset,
    )
    return total, [dict(row) for row in rows]


async def list_spaces_near(
    connection: Connection,
    tenant_id: UUID,
    filters: Sequence[Any],
    *,
    place: tuple[float, float, float, Box],
    page: Page,
) -> tuple[int, list[Row]]:
    """Spaces nearest first, with `distance_m`. `place`: latitude, longitude, radius in metres, and its box."""
    latitude, longitude, radius, box = place
    rows = await connection.fetch(
        f"""
        WITH boxed AS (
            SELECT {_SPACE_COLUMNS}, {_DISTANCE} AS distance_m FROM occupancy.space_directory
            WHERE {_SPACE_FILTER} AND latitude BETWEEN $12 AND $13
              AND (longitude BETWEEN $14 AND $15 OR longitude BETWEEN $16 AND $17)
        )
        SELECT {_SPACE_COLUMNS}, distance_m, count(*) OVER () AS total FROM boxed
        WHERE distance_m <= $18 ORDER BY distance_m, id LIMIT $19 OFFSET $20
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
        page.limit,
        page.offset,
    )
    if not rows and page.offset:
        return (await list_spaces_near(connection, tenant_id, filters, place=place, page=page.first()))[0], []
    total = rows[0]["total"] if rows else 0
    return total, [{name: value for name, value in row.items() if name != "total"} for row in rows]


async def get_space(connection: Connection, tenant_id: UUID, space_id: UUID) -> asyncpg.Record | None:
    """One space, deleted or not, with what each layer says."""
    return await connection.fetchrow(
        f"""
        SELECT {_SPACE_COLUMNS}, {_LAYER_COLUMNS} FROM occupancy.space_directory WHERE (tenant_id, id) = ($1, $2)
        """,  # noqa: S608
        tenant_id,
        space_id,
    )
