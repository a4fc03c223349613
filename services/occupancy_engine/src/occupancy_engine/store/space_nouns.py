"""A space as a noun: made, described, taken away, and told about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from occupancy_engine import SCHEMA
from occupancy_engine.domain.layers import Layers, Shown
from occupancy_engine.domain.showing import Space
from occupancy_engine.store.space_events import space_event
from parking_chassis.outbox import write_events
from parking_chassis.postgres import Connection
from parking_contracts.space import SpaceCreated, SpaceDeleted, SpaceUpdated, SpaceView

_DESCRIPTION = (
    *("site_id", "code", "name", "kind", "building", "floor", "zone", "latitude", "longitude"),
    *("sensor_eui", "display_eui", "metadata"),
)


async def insert(
    connection: Connection,
    tenant_id: UUID,
    space_id: UUID | None,
    description: Mapping[str, Any],
    layers: Layers,
    shown: Shown,
) -> SpaceView:
    """A new row and its event. Raises UniqueViolationError when code, sensor, display or id are taken."""
    sensor = layers.sensor
    row = await connection.fetchrow(
        """
        INSERT INTO occupancy.spaces (tenant_id, id, site_id, code, name, kind, building, floor, zone, latitude,
            longitude, sensor_eui, display_eui, metadata, created_at, updated_at, sensor_heard, sensor_occupied,
            sensor_since, sensor_silent, state, state_layer, state_reason, state_since)
        VALUES ($1, coalesce($2, uuidv7()), $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $16, $17,
            $18, $19, $20, $21, $22, $23)
        RETURNING *
        """,
        tenant_id,
        space_id,
        *(description[name] for name in _DESCRIPTION),
        layers.created_at,
        sensor is not None and sensor.occupied is not None,
        sensor and sensor.occupied,
        sensor and sensor.since,
        bool(sensor and sensor.silent),
        shown.state,
        shown.layer,
        shown.reason,
        shown.since,
    )
    created = _view(row)
    await _announce(connection, created, SpaceCreated(space=created))
    return created


async def view(connection: Connection, tenant_id: UUID, space_id: UUID) -> SpaceView:
    """The space as clients see it."""
    row = await connection.fetchrow(
        "SELECT * FROM occupancy.spaces WHERE tenant_id = $1 AND id = $2", tenant_id, space_id
    )
    return _view(row)


async def write_description(connection: Connection, space: Space, changes: Mapping[str, Any]) -> None:
    """Write the named columns, count a version and tell. Raises UniqueViolationError as `insert` does."""
    known = [name for name in _DESCRIPTION if name in changes]
    assignments = "".join(f"{name} = ${number}, " for number, name in enumerate(known, 3))
    space.version += 1
    row = await connection.fetchrow(
        f"""
        UPDATE occupancy.spaces SET {assignments} updated_at = now(), version = version + 1
        WHERE tenant_id = $1 AND id = $2 RETURNING *
        """,  # noqa: S608  column names from the constant above
        space.tenant_id,
        space.id,
        *(changes[name] for name in known),
    )
    updated = _view(row)
    space.site_id, space.code, space.kind, space.zone = updated.site_id, updated.code, updated.kind, updated.zone
    space.sensor_eui = updated.sensor_eui
    await _announce(connection, updated, SpaceUpdated(space=updated))


async def delete(connection: Connection, space: Space) -> SpaceView:
    """Mark as deleted, and tell."""
    row = await connection.fetchrow(
        """
        UPDATE occupancy.spaces SET deleted_at = now(), updated_at = now(), version = version + 1
        WHERE tenant_id = $1 AND id = $2 RETURNING *
        """,
        space.tenant_id,
        space.id,
    )
    gone = _view(row)
    assert gone.deleted_at is not None  # noqa: S101  just written
    event = SpaceDeleted(
        tenant_id=gone.tenant_id,
        site_id=gone.site_id,
        space_id=gone.id,
        code=gone.code,
        zone=gone.zone,
        version=gone.version,
        deleted_at=gone.deleted_at,
    )
    await _announce(connection, gone, event)
    return gone


async def _announce(
    connection: Connection, space: SpaceView, event: SpaceCreated | SpaceUpdated | SpaceDeleted
) -> None:
    await write_events(connection, SCHEMA, [space_event(space.tenant_id, space.id, event)])


def _view(row: asyncpg.Record | None) -> SpaceView:
    return msgspec.convert(dict(row or {}), SpaceView)
