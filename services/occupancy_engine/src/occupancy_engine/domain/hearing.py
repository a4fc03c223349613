"""What one reading does to its device.

The newest moves the sensor layer and the running stay, a late one only asks for a repair of history. A device whose
changes must be confirmed holds a change back until it has lasted.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import msgspec

from occupancy_engine.domain.health import flap_score
from occupancy_engine.domain.sessions import Sessions
from occupancy_engine.domain.stays import Place, Reading


class Pending(msgspec.Struct, frozen=True):
    """A change that is not shown yet, and when it will be."""

    occupied: bool
    since: datetime
    due_at: datetime


class Device(msgspec.Struct, kw_only=True):
    """A device as a batch holds it, its row locked. Seconds, volts, per cent, degrees Celsius, dBm and dB.

    `settled_as_stored` is the store's memory of the columns that seldom change.
    """

    tenant_id: UUID
    dev_eui: str
    codec: str | None = None
    heartbeat_seconds: int | None = None
    confirm_seconds: int = 0
    source: str | None = None
    application_id: str | None = None
    name: str = ""
    profile_name: str = ""
    codec_in_use: str | None = None
    interval_seconds: int | None = None
    silence_seconds: int | None = None
    last_seen_at: datetime | None = None
    sessions: Sessions = Sessions()
    occupied: bool | None = None
    occupied_since: datetime | None = None
    newest: Reading | None = None
    silent: bool = False
    pending: Pending | None = None
    space_id: UUID | None = None
    assigned_at: datetime | None = None
    open_stay_id: UUID | None = None
    battery_volts: float | None = None
    battery_percent: float | None = None
    temperature_celsius: float | None = None
    rssi: int | None = None
    snr: float | None = None
    flap_score: float = 0.0
    flap_at: datetime | None = None
    decoder_errors: int = 0
    last_error: str | None = None
    settled_as_stored: tuple[object, ...] = ()

    def space_at(self, received_at: datetime) -> UUID | None:
        """The space that a frame received then tells of: what came before the assignment was seen elsewhere."""
        return None if self.assigned_at is None or received_at < self.assigned_at else self.space_id


class StayBegun(msgspec.Struct, frozen=True):
    """A stay to insert."""

    id: UUID
    device: Device
    reading: Reading


class StayEnded(msgspec.Struct, frozen=True):
    """A stay to close. `departed` is None when no reading ended it: the sensor was taken off."""

    id: UUID
    device: Device
    departed: Place | None
    departed_at: datetime


class Heard(msgspec.Struct, frozen=True):
    """What follows from a reading. `shows` says that the space's sensor layer changed."""

    late: bool = False
    shows: bool = False
    stay: StayBegun | StayEnded | None = None


def hear(device: Device, reading: Reading) -> Heard:
    """Take a reading into its device."""
    if device.newest is not None and reading.place < device.newest.place:
        return Heard(late=True)
    changed = device.newest is None or device.newest.occupied != reading.occupied
    if changed and device.newest is not None:
        device.flap_score = flap_score(device.flap_score, device.flap_at, reading.received_at)
        device.flap_at = reading.received_at
    device.newest = reading
    return Heard(shows=_show_or_hold_back(device, reading), stay=_move_stay(device, reading))


def confirm(device: Device, heard_until: datetime) -> bool:
    """Show a change that was held back and has lasted; true when it did."""
    pending = device.pending
    if pending is None or pending.due_at > heard_until:
        return False
    device.occupied, device.occupied_since, device.pending = pending.occupied, pending.since, None
    return True


def _show_or_hold_back(device: Device, reading: Reading) -> bool:
    if reading.occupied == device.occupied:
        device.pending = None
        if device.silent:
            device.silent = False
            return True
        return False
    hold_back = device.confirm_seconds > 0 and device.occupied is not None and not device.silent
    if hold_back:
        if device.pending is None:
            due_at = reading.received_at + timedelta(seconds=device.confirm_seconds)
            device.pending = Pending(reading.occupied, reading.occurred_at, due_at)
        return False
    device.occupied, device.occupied_since = reading.occupied, reading.occurred_at
    device.pending, device.silent = None, False
    return True


def _move_stay(device: Device, reading: Reading) -> StayBegun | StayEnded | None:
    if device.space_at(reading.received_at) is None:
        return None
    if reading.occupied and device.open_stay_id is None:
        device.open_stay_id = uuid4()
        return StayBegun(device.open_stay_id, device, reading)
    if not reading.occupied and device.open_stay_id is not None:
        ended = StayEnded(device.open_stay_id, device, reading.place, reading.occurred_at)
        device.open_stay_id = None
        return ended
    return None
