"""From what devices say to what is shown: the sensor layer of their spaces."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from occupancy_engine import metrics
from occupancy_engine.domain.hearing import Device
from occupancy_engine.domain.layers import Sensor
from occupancy_engine.domain.showing import Cause, Space, show
from occupancy_engine.store import spaces as space_rows
from occupancy_engine.store.events import event_writes
from occupancy_engine.store.one_statement import Write, write_together
from parking_chassis.outbox import Event
from parking_chassis.postgres import Connection
from parking_contracts.space import ChangeSource, SpaceStateChanged


class Sensed(msgspec.Struct, frozen=True):
    """The sensor layer of a space changed: what it says now, who said it, and when it happened."""

    tenant_id: UUID
    space_id: UUID
    sensor: Sensor
    source: ChangeSource
    cause: str
    occurred_at: datetime


def sensor_layer(device: Device) -> Sensor:
    """What a device says of its space."""
    return Sensor(device.occupied, device.occupied_since, device.silent)


class Showing(msgspec.Struct, frozen=True):
    """Spaces with their new sensor layers, their rows locked, and what changed of what is shown."""

    spaces: Sequence[Space] = ()
    changes: Sequence[SpaceStateChanged] = ()

    def writes(self) -> tuple[Write, ...]:
        """What keeps them."""
        return space_rows.sensed_writes(self.spaces, self.changes)

    def events(self) -> list[Event]:
        """What tells of them."""
        return space_rows.space_events(self.changes)


async def sense(connection: Connection, sensed: Sequence[Sensed]) -> Showing:
    """Lock the spaces and give them their sensor layers, in the order given. Nothing is written yet."""
    if not sensed:
        return Showing()
    spaces = await space_rows.lock_spaces(connection, {(one.tenant_id, one.space_id) for one in sensed})
    now = datetime.now(UTC)  # under the locks: moments must follow each other as versions do
    changes = []
    for one in sensed:
        space = spaces.get((one.tenant_id, one.space_id))
        if space is None or space.layers.sensor is None:
            continue
        cause = Cause(source=one.source, cause=one.cause, occurred_at=one.occurred_at, changed_at=now)
        change = show(space, msgspec.structs.replace(space.layers, sensor=one.sensor), cause)
        if change is not None:
            changes.append(change)
    metrics.STATE_CHANGES.inc(len(changes))
    return Showing(list(spaces.values()), changes)


async def show_sensed(connection: Connection, sensed: Sequence[Sensed]) -> None:
    """Show what devices say of their spaces, and tell."""
    showing = await sense(connection, sensed)
    await write_together(connection, *showing.writes(), *event_writes(showing.events()))
