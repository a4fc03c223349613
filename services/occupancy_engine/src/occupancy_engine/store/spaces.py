"""The space rows of a transaction: locked, shown anew, and the history of what was shown."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from occupancy_engine import SCHEMA
from occupancy_engine.domain.layers import Layers, Override, Reserved, Sensor, Shown
from occupancy_engine.domain.showing import Space
from occupancy_engine.store.columns import columns
from occupancy_engine.store.one_statement import ROWS, Write, write_together
from occupancy_engine.store.space_events import space_event
from parking_chassis.outbox import Event, write_events
from parking_chassis.postgres import Connection
from parking_contracts.space import Layer, SpaceState, SpaceStateChanged

_COLUMNS = """
    s.tenant_id, s.id, s.site_id, s.code, s.kind, s.zone, s.sensor_eui, s.created_at, s.override_state,
    s.override_reason, s.override_since, s.override_until, s.sensor_occupied, s.sensor_since, s.sensor_silent,
    s.reservation_id, s.reservation_since, s.reservation_until, s.released_last, s.state, s.state_layer,
    s.state_reason, s.state_since, s.version
"""


SpaceKey = tuple[UUID, UUID]
"""(tenant, space): an id is chosen by its tenant, and another may choose the same."""


async def lock_spaces(connection: Connection, keys: Collection[SpaceKey]) -> dict[SpaceKey, Space]:
    """Lock these rows, in one order for everybody. Deleted ones are missing."""
    # Without a condition on deleted_at: by the partial indexes that it opens, a planner that knows no figures of the
    # table yet reads a tenant's spaces all over again for each that is wanted.
    rows = await connection.fetch(
        f"""
        SELECT {_COLUMNS}, s.deleted_at FROM occupancy.spaces s
        JOIN unnest($1::uuid[], $2::uuid[]) AS wanted (tenant_id, id) USING (tenant_id, id)
        ORDER BY s.tenant_id, s.id FOR NO KEY UPDATE OF s
        """,  # noqa: S608  the constant above
        *columns(keys, 2),
    )
    return {(row["tenant_id"], row["id"]): read_space(row) for row in rows if row["deleted_at"] is None}


def read_space(row: asyncpg.Record) -> Space:
    """A row as the rules want it."""
    override = reserved = sensor = None
    if row["override_state"] is not None:
        override = Override(
            SpaceState(row["override_state"]), row["override_since"], row["override_reason"], row["override_until"]
        )
    if row["reservation_id"] is not None:
        reserved = Reserved(str(row["reservation_id"]), row["reservation_since"], row["reservation_until"])
    if row["sensor_eui"] is not None:
        sensor = Sensor(row["sensor_occupied"], row["sensor_since"], row["sensor_silent"])
    return Space(
        tenant_id=row["tenant_id"],
        id=row["id"],
        site_id=row["site_id"],
        code=row["code"],
        kind=row["kind"],
        zone=row["zone"],
        sensor_eui=row["sensor_eui"],
        layers=Layers(row["created_at"], override, sensor, reserved),
        shown=Shown(SpaceState(row["state"]), Layer(row["state_layer"]), row["state_reason"], row["state_since"]),
        version=row["version"],
        released_last=tuple(map(str, row["released_last"])),
    )


async def write_shown(connection: Connection, spaces: Sequence[Space], changes: Sequence[SpaceStateChanged]) -> None:
    """Write back the spaces' layers and states, the history of what was shown, and the events of it."""
    if spaces:
        await connection.execute(
            """
            UPDATE occupancy.spaces s SET
                override_state = new.override_state, override_reason = new.override_reason,
                override_since = new.override_since, override_until = new.override_until,
                reservation_id = new.reservation_id, reservation_since = new.reservation_since,
                reservation_until = new.reservation_until,
                sensor_heard = new.sensor_occupied IS NOT NULL, sensor_occupied = new.sensor_occupied,
                sensor_since = new.sensor_since, sensor_silent = new.sensor_silent,
                state = new.state, state_layer = new.layer, state_reason = new.reason, state_since = new.since,
                version = new.version
            FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[],
                        $7::uuid[], $8::timestamptz[], $9::timestamptz[],
                        $10::boolean[], $11::timestamptz[], $12::boolean[],
                        $13::text[], $14::text[], $15::text[], $16::timestamptz[], $17::bigint[])
                AS new (tenant_id, id, override_state, override_reason, override_since, override_until,
                        reservation_id, reservation_since, reservation_until,
                        sensor_occupied, sensor_since, sensor_silent, state, layer, reason, since, version)
            WHERE s.tenant_id = new.tenant_id AND s.id = new.id
            """,
            *columns([_row(space) for space in spaces], 17),
        )
    await write_together(connection, _history_of(changes))
    await write_events(connection, SCHEMA, space_events(changes))


_UPDATE_SENSED = f"""
    UPDATE occupancy.spaces s SET
        sensor_heard = new.sensor_occupied IS NOT NULL, sensor_occupied = new.sensor_occupied,
        sensor_since = new.sensor_since, sensor_silent = new.sensor_silent,
        state = new.state, state_layer = new.state_layer, state_reason = new.state_reason,
        state_since = new.state_since, version = new.version
    FROM unnest({ROWS}::occupancy.space_sensed[]) AS new
    WHERE s.tenant_id = new.tenant_id AND s.id = new.id
"""  # noqa: S608  the constant above
_INSERT_CHANGES = f"INSERT INTO occupancy.state_changes SELECT * FROM unnest({ROWS}::occupancy.state_changes[])"  # noqa: S608


def sensed_writes(spaces: Iterable[Space], changes: Iterable[SpaceStateChanged]) -> tuple[Write, Write]:
    """As `write_shown`, where nothing but the sensor layer can have changed: the path of most uplinks that matter."""
    rows = [(space.tenant_id, space.id, *_sensed_row(space)) for space in spaces]
    return Write("spaces_sensed", _UPDATE_SENSED, rows), _history_of(changes)


def space_events(changes: Iterable[SpaceStateChanged]) -> list[Event]:
    """The events of changes, for the outbox."""
    return [space_event(one.tenant_id, one.space_id, one) for one in changes]


def _history_of(changes: Iterable[SpaceStateChanged]) -> Write:
    return Write("history", _INSERT_CHANGES, [_change_row(change) for change in changes])


def _row(space: Space) -> tuple[object, ...]:
    override, reserved = space.layers.override, space.layers.reserved
    return (
        space.tenant_id,
        space.id,
        override and override.state,
        override.reason if override else "",
        override and override.since,
        override and override.until,
        reserved and reserved.reservation_id,
        reserved and reserved.since,
        reserved and reserved.until,
        *_sensed_row(space),
    )


def _sensed_row(space: Space) -> tuple[object, ...]:
    sensor, shown = space.layers.sensor, space.shown
    return (
        sensor and sensor.occupied,
        sensor and sensor.since,
        bool(sensor and sensor.silent),
        shown.state,
        shown.layer,
        shown.reason,
        shown.since,
        space.version,
    )


def _change_row(change: SpaceStateChanged) -> tuple[object, ...]:
    return (
        change.tenant_id,
        change.space_id,
        change.version,
        change.previous,
        change.state,
        change.layer,
        change.reason,
        change.source,
        change.cause,
        change.request_id,
        change.occurred_at,
        change.changed_at,
    )


async def spaces_overdue(connection: Connection, now: datetime, limit: int) -> list[SpaceKey]:
    """(tenant, space) of live spaces whose override or reservation should have ended."""
    rows = await connection.fetch(
        """
        SELECT tenant_id, id FROM occupancy.spaces
        WHERE deleted_at IS NULL AND (override_until <= $1 OR reservation_until <= $1)
        LIMIT $2
        """,
        now,
        limit,
    )
    return [(row["tenant_id"], row["id"]) for row in rows]


async def write_released(connection: Connection, space: Space) -> None:
    """Remember which reservations have let the space go."""
    await connection.execute(
        "UPDATE occupancy.spaces SET released_last = $3 WHERE tenant_id = $1 AND id = $2",
        space.tenant_id,
        space.id,
        space.released_last,
    )


async def lock_space(connection: Connection, tenant_id: UUID, space_id: UUID) -> Space | None:
    """Lock one live space."""
    return (await lock_spaces(connection, [(tenant_id, space_id)])).get((tenant_id, space_id))
