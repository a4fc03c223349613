"""One batch of uplinks, from frames to everything that follows from them, inside the caller's transaction.

Read `take_in` top to bottom: it is the whole path. It never commits; a redelivered batch finds its frames known and
changes nothing. Frames of one device keep the order in which they came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import structlog

from occupancy_engine import SERVICE, metrics
from occupancy_engine.decoders import OBJECT, Decoders
from occupancy_engine.displays import best_reception, display_reported
from occupancy_engine.domain.hearing import Device, StayBegun, StayEnded, hear
from occupancy_engine.domain.stays import Reading
from occupancy_engine.frames import Placed, decode_frames, look_up, place_frames
from occupancy_engine.history import repair_stays
from occupancy_engine.sensing import Sensed, sense, sensor_layer
from occupancy_engine.store import devices as device_rows
from occupancy_engine.store import orphans as orphan_rows
from occupancy_engine.store import readings as reading_rows
from occupancy_engine.store.devices import DeviceKey
from occupancy_engine.store.events import event_writes
from occupancy_engine.store.one_statement import write_together
from occupancy_engine.store.readings import Stretch
from parking_chassis.dead_letters import DEAD_LETTER_TYPE, PoisonError, dead_letter, encode_dead_letter, subject_of
from parking_chassis.outbox import Event
from parking_chassis.postgres import Connection
from parking_codecs.codec import Observation
from parking_contracts import subjects
from parking_contracts.errors import DeadLetterCode
from parking_contracts.uplink import UplinkReceived

log = structlog.get_logger()
encode = msgspec.json.Encoder().encode


class TakenIn(msgspec.Struct, frozen=True):
    """What a batch came to. An unreadable frame is stored as it is, and shown to people as a dead letter."""

    unreadable: tuple[UplinkReceived, ...] = ()
    duplicates: int = 0
    orphans: int = 0
    changes: int = 0


async def take_in(
    connection: Connection,
    uplinks: Sequence[UplinkReceived],
    decoders: Decoders,
    when_locked: Callable[[], None] = lambda: None,
) -> TakenIn:
    """Take frames in, in the order given. `when_locked` is called once their devices are this transaction's."""
    known = await look_up(connection, uplinks, decoders)
    when_locked()
    orphans = [(one.uplink, why) for one in known if (why := one.orphaned)]
    placed, duplicates = await place_frames(connection, known)
    decode_frames(decoders, placed)
    rows = [_reading_row(frame) for frame in placed]

    sensed: list[Sensed] = []
    stays: list[StayBegun | StayEnded] = []
    late: list[Placed] = []
    for frame in placed:
        _hear(frame, sensed, stays, late)

    heard = {(frame.device.tenant_id, frame.device.dev_eui): frame.device for frame in placed}
    showing = await sense(connection, sensed)
    unreadable = [(one.uplink, one.decode_error) for one in placed if one.decode_error is not None]
    told = showing.events() + [codec_failure(uplink, why) for uplink, why in unreadable]
    told += [display_reported(one, one.display) for one in placed if one.display is not None and one.is_newest]
    await write_together(
        connection,
        *reading_rows.reading_writes(rows),
        *reading_rows.stay_writes(stays),
        *device_rows.device_writes(heard.values()),
        *showing.writes(),
        *event_writes(told),
    )
    await orphan_rows.insert_orphans(connection, orphans)
    stretches = _stretches(late)
    await repair_stays(connection, stretches)
    await device_rows.write_devices(connection, device_rows.unwritten(one.device for one in stretches))
    return TakenIn(tuple(uplink for uplink, _ in unreadable), duplicates, len(orphans), len(showing.changes))


def codec_failure(uplink: UplinkReceived, why: str) -> Event:
    """The dead letter of a frame that is stored but not understood."""
    metrics.DEAD_LETTERS.labels(DeadLetterCode.CODEC_FAILURE).inc()
    log.warning("payload_unreadable", dev_eui=uplink.dev_eui, f_cnt=uplink.f_cnt, why=why)
    return frame_letter(uplink, PoisonError(DeadLetterCode.CODEC_FAILURE, why))


def frame_letter(uplink: UplinkReceived, poison: PoisonError) -> Event:
    """A frame's dead letter, for the outbox: it leaves if and when the transaction that wrote it is committed."""
    letter = dead_letter(
        poison,
        service=SERVICE,
        origin="jetstream",
        address=subjects.uplink(uplink.dev_eui),
        body=encode(uplink),
        received_at=uplink.received_at,
        source=uplink.source,
    )
    return Event(subject=subject_of(letter), type=DEAD_LETTER_TYPE, payload=encode_dead_letter(letter))


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
        cause = f"uplink:{device.dev_eui}:{uplink.f_cnt}"
        layer = sensor_layer(device)
        sensed.append(Sensed(device.tenant_id, device.space_id, layer, "uplink", cause, frame.occurred_at))


def _note_health(device: Device, uplink: UplinkReceived, observation: Observation | None) -> None:
    best = best_reception(uplink)
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
