"""What is known of a batch's frames before anything follows from them: whose they are, their place, what they say.

Bindings and device rows (locked) come in; frames at their place, read as far as their codec can, go out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from occupancy_engine.decoders import OBJECT, Decoder, Decoders
from occupancy_engine.domain.hearing import Device
from occupancy_engine.domain.sessions import Arrival, Frame, place
from occupancy_engine.domain.stays import Place
from occupancy_engine.domain.times import occurred_at, session_time
from occupancy_engine.store import devices as device_rows
from occupancy_engine.store import readings as reading_rows
from occupancy_engine.store.bindings import Binding, bindings_of
from occupancy_engine.store.devices import DeviceKey
from parking_chassis.postgres import Connection
from parking_codecs.codec import CodecError, Observation
from parking_contracts.uplink import UplinkReceived


class Known(msgspec.Struct, frozen=True):
    """A frame, its application's binding and its device, the row locked; without either it belongs to nobody yet."""

    uplink: UplinkReceived
    binding: Binding | None
    device: Device | None

    @property
    def orphaned(self) -> str | None:
        """Why the frame belongs to nobody yet, or None."""
        if self.binding is None:
            return "unknown_application"
        return "no_codec" if self.device is None else None


class Placed(msgspec.Struct):
    """A frame of a known device at its place, read as far as its codec could.

    `is_newest`: nothing later was heard before it. `display` is the codec that reads it, of a display.
    """

    uplink: UplinkReceived
    binding: Binding
    device: Device
    session_at: datetime
    occurred_at: datetime
    is_newest: bool = True
    display: str | None = None
    observation: Observation | None = None
    decode_error: str | None = None

    @property
    def place(self) -> Place:
        """(session_at, fCnt)."""
        return (self.session_at, self.uplink.f_cnt)


async def look_up(connection: Connection, uplinks: Sequence[UplinkReceived], decoders: Decoders) -> list[Known]:
    """Lock the devices of these frames; a new device of a bound application is made if something can read it."""
    bindings = await bindings_of(connection, {(one.source, one.application_id) for one in uplinks})
    bound = [(one, bindings.get((one.source, one.application_id))) for one in uplinks]
    wanted: dict[DeviceKey, tuple[UplinkReceived, Binding]] = {}
    for one, binding in bound:
        if binding is not None:
            key = (binding.tenant_id, one.dev_eui)
            # A frame with a decoded object tells best whether a mapping can read the device.
            if key not in wanted or bytes(one.object) != b"null":
                wanted[key] = (one, binding)
    devices = await device_rows.lock_devices(connection, sorted(wanted))
    unknown = {key for key, told in wanted.items() if key not in devices and _decoder_of(decoders, *told, None)}
    if unknown:
        await device_rows.add_devices(connection, unknown)
        devices |= await device_rows.lock_devices(connection, sorted(unknown))
    readable = {key: device for key, device in devices.items() if _is_readable(decoders, *wanted[key], device)}
    return [
        Known(one, binding, readable.get((binding.tenant_id, one.dev_eui)) if binding is not None else None)
        for one, binding in bound
    ]


def _decoder_of(decoders: Decoders, uplink: UplinkReceived, binding: Binding, device: Device | None) -> Decoder | None:
    """What reads the frame. Raises CodecError when the device asks for a codec that is not installed."""
    return decoders.find(
        uplink,
        codec=device.codec if device else None,
        heartbeat_seconds=device.heartbeat_seconds if device else None,
        mapping=binding.mapping,
    )


def _is_readable(decoders: Decoders, uplink: UplinkReceived, binding: Binding, device: Device) -> bool:
    """Whether a frame can be read, or would have been: one without an object still belongs to a mapped device."""
    if device.codec or _decoder_of(decoders, uplink, binding, device) is not None:
        return True
    return binding.mapping is not None and device.codec_in_use == OBJECT


async def place_frames(connection: Connection, known: Sequence[Known]) -> tuple[list[Placed], int]:
    """Find each frame's place in its device's life; drop, and count, what was heard before."""
    placed: list[Placed] = []
    maybe_seen: dict[tuple[UUID, str, datetime, int], int] = {}
    in_this_batch: set[tuple[UUID, str, datetime, int]] = set()
    duplicates = 0
    for frame in known:
        one, binding, device = frame.uplink, frame.binding, frame.device
        if binding is None or device is None:
            continue
        ns_times = [reception.ns_time for reception in one.receptions if reception.ns_time]
        at, timed = session_time(ns_times=ns_times, time=one.time, received_at=one.received_at, clock=binding.clock)
        placement = place(device.sessions, Frame(one.dev_addr, one.f_cnt, at, timed))
        device.sessions = placement.sessions
        key = (device.tenant_id, device.dev_eui, placement.session_at, one.f_cnt)
        if placement.arrival is Arrival.DUPLICATE or key in in_this_batch:
            duplicates += 1
            continue
        in_this_batch.add(key)
        if placement.arrival is Arrival.MAYBE_SEEN:
            maybe_seen[key] = len(placed)
        happened = occurred_at(ns_times=ns_times, time=one.time, received_at=one.received_at, clock=binding.clock)
        is_newest = placement.arrival is Arrival.NEWEST
        placed.append(Placed(one, binding, device, placement.session_at, happened, is_newest))
    if maybe_seen:
        stored = await reading_rows.stored_readings(connection, maybe_seen)
        seen_before = {maybe_seen[key] for key in stored}
        placed = [one for index, one in enumerate(placed) if index not in seen_before]
        duplicates += len(seen_before)
    return placed, duplicates


def decode_frames(decoders: Decoders, placed: Iterable[Placed]) -> None:
    """Read each payload; a MAC-only frame says nothing, an unreadable one says so."""
    for frame in placed:
        uplink, device = frame.uplink, frame.device
        device.source, device.application_id = uplink.source, uplink.application_id
        device.name, device.profile_name = device.name or uplink.device_name, uplink.device_profile_name
        device.last_seen_at = max(uplink.received_at, device.last_seen_at or uplink.received_at)
        try:
            decoder = _decoder_of(decoders, uplink, frame.binding, device)
            if decoder is not None:
                device.codec_in_use = decoder.name
                frame.display = decoder.name if decoder.is_display else None
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
