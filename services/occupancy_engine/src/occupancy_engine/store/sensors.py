"""Which device is a space's sensor: the device's row is locked before the space's, as everywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from occupancy_engine.domain.hearing import Device, StayEnded
from occupancy_engine.domain.showing import Space
from occupancy_engine.store.devices import DeviceKey, add_devices, lock_devices, write_devices
from occupancy_engine.store.one_statement import write_together
from occupancy_engine.store.readings import stay_writes
from parking_chassis.postgres import Connection

Held = dict[DeviceKey, Device]


async def take(connection: Connection, tenant_id: UUID, sensor_eui: str | None) -> Device | None:
    """Make a device (known or not yet heard of) the sensor of a space about to be made."""
    if sensor_eui is None:
        return None
    await add_devices(connection, [(tenant_id, sensor_eui)])
    device = (await lock_devices(connection, [(tenant_id, sensor_eui)]))[tenant_id, sensor_eui]
    await _mark_assigned(connection, device)
    return device


async def hold(connection: Connection, tenant_id: UUID, space_id: UUID, sensor_eui: str | None) -> Held:
    """Lock a space's sensor and the one that may follow it, before anybody locks the space."""
    present = await connection.fetchval(
        "SELECT sensor_eui FROM occupancy.spaces WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL",
        tenant_id,
        space_id,
    )
    if sensor_eui is not None:
        await add_devices(connection, [(tenant_id, sensor_eui)])
    euis = sorted({eui for eui in (present, sensor_eui) if eui is not None})
    return await lock_devices(connection, [(tenant_id, eui) for eui in euis])


def holds_sensor_of(held: Held, space: Space) -> bool:
    """Whether the sensor that `hold` locked is still the space's, now that the space is locked too."""
    return space.sensor_eui is None or (space.tenant_id, space.sensor_eui) in held


async def swap(connection: Connection, held: Held, space: Space, sensor_eui: str | None) -> Device | None:
    """Take the present sensor off, ending its running stay, and put another on. Answers the new one."""
    if (old := held.get((space.tenant_id, space.sensor_eui or ""))) is not None:
        if old.open_stay_id is not None:
            ended = StayEnded(old.open_stay_id, old, None, await _known_until(connection, old))
            await write_together(connection, *stay_writes([ended]))
            old.open_stay_id = None
        old.space_id = None
        await write_devices(connection, [old])
    if sensor_eui is None:
        return None
    new = held[space.tenant_id, sensor_eui]
    await _mark_assigned(connection, new)
    return new


async def _known_until(connection: Connection, device: Device) -> datetime:
    """The last moment we know the stay to have lasted: now, or in a recording its last reading."""
    clock = await connection.fetchval(
        "SELECT clock FROM occupancy.applications WHERE source = $1 AND application_id = $2",
        device.source,
        device.application_id,
    )
    if clock == "recorded" and device.newest is not None:
        return device.newest.occurred_at
    return datetime.now(UTC)


async def _mark_assigned(connection: Connection, device: Device) -> None:
    await connection.execute(
        "UPDATE occupancy.devices SET assigned_at = clock_timestamp() WHERE tenant_id = $1 AND dev_eui = $2",
        device.tenant_id,
        device.dev_eui,
    )
