"""From what devices say to what is shown: the sensor layer of their spaces."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from occupancy_engine import metrics
from occupancy_engine.domain.hearing import Device
from occupancy_engine.domain.layers import Sensor
from occupancy_engine.domain.showing import Cause, show
from occupancy_engine.store import spaces as space_rows
from parking_chassis.postgres import Connection
from parking_contracts.space import SpaceStateChanged


class Sensed(msgspec.Struct, frozen=True):
    """The sensor layer of a space changed: what it says now, and who said it."""

    tenant_id: UUID
    space_id: UUID
    sensor: Sensor
    cause: Cause


def sensor_layer(device: Device) -> Sensor:
    """What a device says of its space."""
    return Sensor(device.occupied, device.occupied_since, device.silent)


async def show_sensed(connection: Connection, sensed: Sequence[Sensed]) -> list[SpaceStateChanged]:
    """Lock the spaces, give them their sensor layers in the order given, and write what is shown."""
    if not sensed:
        return []
    spaces = await space_rows.lock_spaces(connection, {(one.tenant_id, one.space_id) for one in sensed})
    changes = []
    for one in sensed:
        space = spaces.get((one.tenant_id, one.space_id))
        if space is None or space.layers.sensor is None:
            continue
        change = show(space, msgspec.structs.replace(space.layers, sensor=one.sensor), one.cause)
        if change is not None:
            changes.append(change)
    await space_rows.write_sensed(connection, list(spaces.values()), changes)
    metrics.STATE_CHANGES.inc(len(changes))
    return changes
