"""Reading stored payloads again with today's codec, and mending what depends on them: stays and the sensor layer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from occupancy_engine.decoders import Decoders
from occupancy_engine.domain.hearing import Device
from occupancy_engine.history import repair_stays
from occupancy_engine.sensing import Sensed, sensor_layer, show_sensed
from occupancy_engine.store import devices as device_rows
from occupancy_engine.store import payloads
from occupancy_engine.store.bindings import bindings_of
from occupancy_engine.store.payloads import StoredPayload
from occupancy_engine.store.readings import Stretch
from parking_chassis.postgres import Connection
from parking_codecs.codec import CodecError, Observation
from parking_contracts.device_commands import Redecoded
from parking_contracts.uplink import UplinkReceived


async def redecode_again(connection: Connection, uplink: UplinkReceived, decoders: Decoders) -> str | None:
    """A dead letter came back: its frame is known, so read what its device could not read before.

    Returns why this frame still cannot be read, or None: it is readable now, says nothing, or belongs to nobody.
    """
    bound = await bindings_of(connection, {(uplink.source, uplink.application_id)})
    for binding in bound.values():
        key = (binding.tenant_id, uplink.dev_eui)
        await redecode(connection, *key, decoders, since=None, only_failed=True)
        device = (await device_rows.lock_devices(connection, [key])).get(key)
        if device is not None and uplink.f_port != 0 and uplink.data:
            return _read(uplink, device, decoders, binding.mapping)[1]
    return None


async def redecode(
    connection: Connection,
    tenant_id: UUID,
    dev_eui: str,
    decoders: Decoders,
    *,
    since: datetime | None,
    only_failed: bool = False,
) -> Redecoded | None:
    """Read one device's stored payloads again, those received from `since` on. None when there is no such device."""
    device = (await device_rows.lock_devices(connection, [(tenant_id, dev_eui)])).get((tenant_id, dev_eui))
    if device is None:
        return None
    bound = await bindings_of(connection, {(device.source or "", device.application_id or "")})
    mapping = next((binding.mapping for binding in bound.values()), None)
    read = 0
    changed: list[StoredPayload] = []
    async for stored in payloads.stored_payloads(connection, device, since=since, only_failed=only_failed):
        read += 1
        observation, error, codec = _read(stored.as_uplink(device), device, decoders, mapping)
        if not stored.says(observation, error, codec):
            changed.append(stored)
            await payloads.write_observation(connection, device, stored, observation, error, codec)
    stays_changed = await _mend(connection, device, changed)
    return Redecoded(readings=read, changed=len(changed), stays_changed=stays_changed)


def _read(
    uplink: UplinkReceived, device: Device, decoders: Decoders, mapping: object
) -> tuple[Observation | None, str | None, str | None]:
    try:
        decoder = decoders.find(
            uplink,
            codec=device.codec,
            heartbeat_seconds=device.heartbeat_seconds,
            mapping=mapping,  # type: ignore[arg-type]  # an ObjectMapping or None, as stored
        )
        if decoder is None:
            return None, "no codec reads this device any more", None
        return decoder.decode(uplink), None, decoder.name
    except CodecError as error:
        return None, str(error), device.codec_in_use


async def _mend(connection: Connection, device: Device, changed: Sequence[StoredPayload]) -> int:
    """Stays between the first and the last reading that now says something else, then the device's own state."""
    if not changed:
        return 0
    places = [stored.place for stored in changed]
    stays_changed = 0
    if device.space_id is not None:
        stays_changed = await repair_stays(connection, [Stretch(device, min(places), max(places))])
        device.open_stay_id = await payloads.open_stay(connection, device)
    newest = await payloads.newest_reading(connection, device)
    if newest is not None and newest != device.newest:
        if device.newest is None or newest.place > device.newest.place:
            device.silent = False  # heard after all; the clock says so if it is too long ago
        device.newest = newest
        device.occupied, device.occupied_since, device.pending = newest.occupied, newest.occurred_at, None
        if device.space_id is not None:
            cause, layer = f"redecode:{device.dev_eui}", sensor_layer(device)
            told = Sensed(device.tenant_id, device.space_id, layer, "command", cause, newest.occurred_at)
            await show_sensed(connection, [told])
    await device_rows.write_devices(connection, [device])
    return stays_changed
