"""What is shown for a space: layers, highest first, and the transition table for what people ask for.

Override, sensor occupied, reservation now, sensor silent, free. Inputs of sensors, reservations and silence are never
refused; the table governs people's requests only.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from parking_contracts.space import Layer, SpaceState

FREE, OCCUPIED, RESERVED = SpaceState.FREE, SpaceState.OCCUPIED, SpaceState.RESERVED
MAINTENANCE, UNKNOWN = SpaceState.MAINTENANCE, SpaceState.UNKNOWN

ALLOWED: dict[SpaceState, frozenset[SpaceState]] = {
    FREE: frozenset({OCCUPIED, RESERVED, MAINTENANCE}),
    OCCUPIED: frozenset({FREE, MAINTENANCE}),
    RESERVED: frozenset({OCCUPIED, FREE, MAINTENANCE}),
    MAINTENANCE: frozenset({FREE}),
    UNKNOWN: frozenset(SpaceState),
}


class Override(msgspec.Struct, frozen=True):
    """What a person said: it holds until cleared, or until `until`."""

    state: SpaceState
    since: datetime
    reason: str = ""
    until: datetime | None = None


class Sensor(msgspec.Struct, frozen=True):
    """What the space's sensor says. `occupied` is None until it was heard; a silent sensor's word does not count."""

    occupied: bool | None = None
    since: datetime | None = None
    silent: bool = False


class Reserved(msgspec.Struct, frozen=True):
    """A reservation whose window is open. It ends by its own event; `until` bounds it should that never come."""

    reservation_id: str
    since: datetime
    until: datetime | None = None


class Layers(msgspec.Struct, frozen=True):
    """Every input of a space's state. A space without a sensor has none. `created_at` dates what nothing dates."""

    created_at: datetime
    override: Override | None = None
    sensor: Sensor | None = None
    reserved: Reserved | None = None


class Shown(msgspec.Struct, frozen=True):
    """The state, the layer that decided it, why, and since when."""

    state: SpaceState
    layer: Layer
    reason: str
    since: datetime


def resolve(layers: Layers) -> Shown:
    """The state of a space."""
    override, sensor, reserved = layers.override, layers.sensor, layers.reserved
    if override is not None:
        return Shown(override.state, Layer.OVERRIDE, override.reason, override.since)
    if sensor is not None and sensor.occupied and not sensor.silent:
        return Shown(OCCUPIED, Layer.SENSOR, "sensor sees a vehicle", sensor.since or layers.created_at)
    if reserved is not None:
        return Shown(RESERVED, Layer.RESERVATION, f"reservation {reserved.reservation_id}", reserved.since)
    if sensor is None:
        return Shown(FREE, Layer.DEFAULT, "no sensor", layers.created_at)
    since = sensor.since or layers.created_at
    if sensor.silent:
        return Shown(UNKNOWN, Layer.SILENCE, "sensor silent", since)
    if sensor.occupied is None:
        return Shown(UNKNOWN, Layer.SILENCE, "sensor never heard", since)
    return Shown(FREE, Layer.SENSOR, "sensor sees no vehicle", since)


def may_request(current: SpaceState, requested: SpaceState) -> bool:
    """Whether a person may ask for this state now. Asking for the state that is shown changes nothing and may be."""
    return requested == current or requested in ALLOWED[current]
