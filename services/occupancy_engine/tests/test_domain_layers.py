"""What is shown for a space: every combination of layers, and the table of what people may ask for."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from occupancy_engine.domain.layers import Layers, Override, Reserved, Sensor, may_request, resolve
from parking_contracts.space import Layer, SpaceState

CREATED = datetime(2026, 7, 1, tzinfo=UTC)
SENSED, RESERVED_AT, OVERRIDDEN = (CREATED + timedelta(hours=hours) for hours in (1, 2, 3))
STATES = tuple(SpaceState)

OVERRIDES = [None, *(Override(state, OVERRIDDEN, "works") for state in STATES if state is not SpaceState.FREE)]
RESERVATIONS = [None, Reserved("r1", RESERVED_AT)]
SENSORS = {
    "none": None,
    "never heard": Sensor(),
    "never heard, silent": Sensor(silent=True),
    "free": Sensor(False, SENSED),
    "occupied": Sensor(True, SENSED),
    "free, silent": Sensor(False, SENSED, silent=True),
    "occupied, silent": Sensor(True, SENSED, silent=True),
}
# What a sensor comes to: without a reservation, and with one.
EXPECTED = {
    "none": (("free", "default", CREATED), ("reserved", "reservation", RESERVED_AT)),
    "never heard": (("unknown", "silence", CREATED), ("reserved", "reservation", RESERVED_AT)),
    "never heard, silent": (("unknown", "silence", CREATED), ("reserved", "reservation", RESERVED_AT)),
    "free": (("free", "sensor", SENSED), ("reserved", "reservation", RESERVED_AT)),
    "occupied": (("occupied", "sensor", SENSED), ("occupied", "sensor", SENSED)),
    "free, silent": (("unknown", "silence", SENSED), ("reserved", "reservation", RESERVED_AT)),
    "occupied, silent": (("unknown", "silence", SENSED), ("reserved", "reservation", RESERVED_AT)),
}


@pytest.mark.parametrize(
    ("override", "reserved", "sensor"), list(itertools.product(OVERRIDES, RESERVATIONS, SENSORS)), ids=str
)
def test_the_highest_layer_decides(override, reserved, sensor):
    shown = resolve(Layers(CREATED, override, SENSORS[sensor], reserved))
    if override is not None:
        assert (shown.state, shown.layer, shown.reason) == (override.state, Layer.OVERRIDE, "works")
        assert shown.since == OVERRIDDEN
        return
    assert (shown.state, shown.layer, shown.since) == EXPECTED[sensor][reserved is not None]
    assert shown.reason


def test_a_vacant_keep_alive_ends_no_reservation_and_its_end_empties_no_occupied_space():
    reserved = Reserved("r1", RESERVED_AT)
    assert resolve(Layers(CREATED, None, Sensor(False, SENSED), reserved)).state is SpaceState.RESERVED
    assert resolve(Layers(CREATED, None, Sensor(True, SENSED), None)).state is SpaceState.OCCUPIED


MAY = {
    ("free", "occupied"), ("free", "reserved"), ("free", "maintenance"),
    ("occupied", "free"), ("occupied", "maintenance"),
    ("reserved", "occupied"), ("reserved", "free"), ("reserved", "maintenance"),
    ("maintenance", "free"),
    *(("unknown", state.value) for state in STATES),
}  # fmt: skip


@pytest.mark.parametrize(("current", "requested"), list(itertools.product(STATES, STATES)))
def test_people_may_ask_for_what_the_table_allows_and_for_what_is_shown(current, requested):
    assert may_request(current, requested) is (current is requested or (current.value, requested.value) in MAY)
