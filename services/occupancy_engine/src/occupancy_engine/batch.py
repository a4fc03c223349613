"""One batch of uplinks, from frames to everything that follows from them, inside the caller's transaction.

Read `take_in` top to bottom: it is the whole path. It never commits; a redelivered batch finds its frames known and
changes nothing. Frames of one device keep the order in which they came.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import msgspec

from occupancy_engine.decoders import OBJECT, Decoder, Decoders
from occupancy_engine.domain.hearing import Device, StayBegun, StayEnded, hear
from occupancy_engine.domain.sessions import Arrival, Frame, place
from occupancy_engine.domain.showing import Cause
from occupancy_engine.domain.stays import Place, Reading
from occupancy_engine.domain.times import occurred_at, session_time
from occupancy_engine.history import repair_stays
from occupancy_engine.sensing import Sensed, sensor_layer, show_sensed
from occupancy_engine.store import devices as device_rows
from occupancy_engine.store import orphans as orphan_rows
from occupancy_engine.store import readings as reading_rows
from occupancy_engine.store.devices import Binding, DeviceKey
from occupancy_engine.store.readings import Stretch
from parking_chassis.postgres import Connection
from parking_codecs.codec import CodecError, Observation
from parking_contracts.uplink import UplinkReceived

encode = msgspec.json.Encoder().encode


class Undecodable(msgspec.Struct, frozen=True):
    """A frame whose payload its codec cannot read: stored as it is, and to be shown to people."""

    uplink: UplinkReceived
    detail: str


class Placed(msgspec.Struct):
    """A frame of a known device at its place, read as far as its codec could."""

    uplink: UplinkReceived
    device: Device
    session_at: datetime
    occurred_at: datetime
    observation: Observation | None = None
    decode_error: str | None = None

    @property
    def place(self) -> Place:
        """(session_at, fCnt)."""
        return (self.session_at, self.uplink.f_cnt)


class TakenIn(msgspec.Struct, frozen=True):
    """What a batch came to."""

    undecodable: tuple[Undecodable, ...] = ()
    duplicates: int = 0
    orphans: int = 0
    changes: int = 0


async def take_in(connection: Connection, uplinks: Sequence[UplinkReceived], decoders: Decoders) -> TakenIn:
    """Take frames in, in the order given."""
    bindings = await device_rows.bindings(connection, {(one.source, one.application_id) for one in uplinks})
    devices = await _devices_of(connection, uplinks, bindings, decoders)
    orphans = [(one, why) for one in uplinks if (why := _orphaned(one, bindings, devices))]
    placed, duplicates = await _place(connection, uplinks, bindings, devices)
    _decode(placed, bindings, decoders)
    rows = [_reading_row(frame) for frame in placed]

    sensed: list[Sensed] = []
    stays: list[StayBegun | StayEnded] = []
    late: list[Placed] = []
    for frame in placed:
        _hear(frame, sensed, stays, late)

    await reading_rows.insert_readings(connection, rows)
    await orphan_rows.insert_orphans(connection, orphans)
    await reading_rows.write_stays(connection, stays)
    await repair_stays(connection, _stretches(late))
    changes = await show_sensed(connection, sensed)
    heard = {(frame.device.tenant_id, frame.device.dev_eui): frame.device for frame in placed}
    await device_rows.write_devices(connection, list(heard.values()))
    return TakenIn(
        tuple(Undecodable(one.uplink, one.decode_error) for one in placed if one.decode_error is not None),
        duplicates,
        len(orphans),
        len(changes),
    )


async def _devices_of(
    connection: Connection,
    uplinks: Sequence[UplinkReceived],
    bindings: dict[tuple[str, str], Binding],
    decoders: Decoders,
) -> dict[DeviceKey, Device]:
    """Lock the devices of these frames; a new device of a bound application is made if something can read it."""
    wanted: dict[DeviceKey, UplinkReceived] = {}
    for one in uplinks:
        if binding := bindings.get((one.source, one.application_id)):
            key = (binding.tenant_id, one.dev_eui)
            # A frame with a decoded object tells best whether a mapping can read the device.
            if key not in wanted or bytes(one.object) != b"null":
                wanted[key] = one
    devices = await device_rows.lock_devices(connection, sorted(wanted))
    unknown = {
        key for key, one in wanted.items() if key not in devices and _decoder(one, None, bindings, decoders) is not None
    }
    if unknown:
        await device_rows.add_devices(connection, unknown)
        devices |= await device_rows.lock_devices(connection, sorted(unknown))
    return {
        key: device
        for key, device in devices.items()
        if device.codec or _readable(wanted[key], device, bindings, decoders)
    }


def _readable(
    uplink: UplinkReceived, device: Device, bindings: dict[tuple[str, str], Binding], decoders: Decoders
) -> bool:
    """Whether a frame can be read, or would have been: one without an object still belongs to a mapped device."""
    if _decoder(uplink, device, bindings, decoders) is not None:
        return True
    mapping = bindings[uplink.source, uplink.application_id].mapping
    return mapping is not None and device.codec_in_use == OBJECT


def _decoder(
    uplink: UplinkReceived,
    device: Device | None,
    bindings: dict[tuple[str, str], Binding],
    decoders: Decoders,
) -> Decoder | None:
    return decoders.find(
        uplink,
        codec=device.codec if device else None,
        heartbeat_seconds=device.heartbeat_seconds if device else None,
        mapping=bindings[uplink.source, uplink.application_id].mapping,
    )


def _orphaned(
    uplink: UplinkReceived, bindings: dict[tuple[str, str], Binding], devices: dict[DeviceKey, Device]
) -> str | None:
    binding = bindings.get((uplink.source, uplink.application_id))
    if binding is None:
        return "unknown_application"
    return None if (binding.tenant_id, uplink.dev_eui) in devices else "no_codec"


async def _place(
    connection: Connection,
    uplinks: Sequence[UplinkReceived],
    bindings: dict[tuple[str, str], Binding],
    devices: dict[DeviceKey, Device],
) -> tuple[list[Placed], int]:
    """Find each frame's place in its device's life and drop what was heard before."""
    placed: list[Placed] = []
    maybe_seen: dict[tuple[UUID, str, datetime, int], int] = {}
    in_this_batch: set[tuple[UUID, str, datetime, int]] = set()
    duplicates = 0
    for one in uplinks:
        binding = bindings.get((one.source, one.application_id))
        device = devices.get((binding.tenant_id, one.dev_eui)) if binding else None
        if binding is None or device is None:
            continue
        clocks = {
            "ns_times": [reception.ns_time for reception in one.receptions if reception.ns_time],
            "time": one.time,
            "received_at": one.received_at,
            "clock": binding.clock,
        }
        at, timed = session_time(**clocks)  # type: ignore[arg-type]  # one mapping for two signatures
        placement = place(device.sessions, Frame(one.dev_addr, one.f_cnt, at, timed))
        device.sessions = placement.sessions
        key = (device.tenant_id, device.dev_eui, placement.session_at, one.f_cnt)
        if placement.arrival is Arrival.DUPLICATE or key in in_this_batch:
            duplicates += 1
            continue
        in_this_batch.add(key)
        if placement.arrival is Arrival.MAYBE_SEEN:
            maybe_seen[key] = len(placed)
        placed.append(Placed(one, device, placement.session_at, occurred_at(**clocks)))  # type: ignore[arg-type]  # as above
    if maybe_seen:
        stored = await reading_rows.stored_readings(connection, maybe_seen)
        seen_before = {maybe_seen[key] for key in stored}
        placed = [frame for index, frame in enumerate(placed) if index not in seen_before]
        duplicates += len(seen_before)
    return placed, duplicates


def _decode(placed: Iterable[Placed], bindings: dict[tuple[str, str], Binding], decoders: Decoders) -> None:
    """Read each payload; a MAC-only frame says nothing, an unreadable one says so."""
    for frame in placed:
        uplink, device = frame.uplink, frame.device
        device.source, device.application_id = uplink.source, uplink.application_id
        device.name, device.profile_name = device.name or uplink.device_name, uplink.device_profile_name
        device.last_seen_at = max(uplink.received_at, device.last_seen_at or uplink.received_at)
        try:
            decoder = _decoder(uplink, device, bindings, decoders)
            if decoder is not None:
                device.codec_in_use = decoder.name
                device.interval_seconds, device.silence_seconds = decoder.interval_seconds, decoder.silence_seconds
                device.confirm_seconds = device.confirm_seconds or decoder.confirm_seconds
            if uplink.f_port != 0 and uplink.data:
                frame.observation = _observe(uplink, decoder)
        except CodecError as error:
            frame.decode_error = str(error)
            device.decoder_errors += 1
            device.last_error = str(error)


def _observe(uplink: UplinkReceived, decoder: Decoder | None) -> Observation:
    if decoder is None:
        raise CodecError("ChirpStack sent no decoded object with this frame")
    return decoder.decode(uplink)


def _hear(frame: Placed, sensed: list[Sensed], stays: list[StayBegun | StayEnded], late: list[Placed]) -> None:
    """What a frame does to its device, its space and its space's stays."""
    device, uplink, observation = frame.device, frame.uplink, frame.observation
    _note_health(device, uplink, observation)
    if observation is None or observation.occupied is None:
        return
    reading = Reading(frame.place, frame.occurred_at, uplink.received_at, observation.occupied)
    heard = hear(device, reading)
    if heard.late:
        late.append(frame)
        return
    if heard.stay is not None:
        stays.append(heard.stay)
    if heard.shows and device.space_id is not None:
        cause = Cause(
            source="uplink",
            cause=f"uplink:{device.dev_eui}:{uplink.f_cnt}",
            occurred_at=frame.occurred_at,
            changed_at=datetime.now(UTC),
        )
        sensed.append(Sensed(device.tenant_id, device.space_id, sensor_layer(device), cause))


def _note_health(device: Device, uplink: UplinkReceived, observation: Observation | None) -> None:
    best = max(uplink.receptions, key=lambda one: one.snr if one.snr is not None else -1e9, default=None)
    if best is not None:
        device.rssi, device.snr = best.rssi, best.snr
    if observation is not None:
        if observation.battery_volts is not None:
            device.battery_volts = observation.battery_volts
        if observation.battery_percent is not None:
            device.battery_percent = observation.battery_percent
        if observation.temperature_celsius is not None:
            device.temperature_celsius = observation.temperature_celsius


def _reading_row(frame: Placed) -> reading_rows.ReadingRow:
    uplink, device, observation = frame.uplink, frame.device, frame.observation
    mapped = device.codec_in_use == OBJECT
    return (
        device.tenant_id,
        device.dev_eui,
        frame.session_at,
        uplink.f_cnt,
        uplink.received_at,
        frame.occurred_at,
        device.space_at(uplink.received_at),
        observation and observation.occupied,
        uplink.f_port,
        uplink.data,
        bytes(uplink.object) if mapped else None,
        device.codec_in_use,
        frame.decode_error,
        observation and observation.battery_volts,
        observation and observation.battery_percent,
        observation and observation.temperature_celsius,
        encode(observation.attributes) if observation and observation.attributes else None,
        encode(uplink.receptions),
    )


def _stretches(late: Sequence[Placed]) -> list[Stretch]:
    """One stretch per device: from its earliest late reading to its latest."""
    of_device: dict[DeviceKey, list[Placed]] = {}
    for frame in late:
        if frame.device.space_at(frame.uplink.received_at) is not None:
            of_device.setdefault((frame.device.tenant_id, frame.device.dev_eui), []).append(frame)
    return [
        Stretch(frames[0].device, min(one.place for one in frames), max(one.place for one in frames))
        for frames in of_device.values()
    ]
