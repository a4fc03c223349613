"""The mapping of ChirpStack's own decoded `object`: values, units, refusals, and anything JSON can carry."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking_codecs import CodecError, ObjectMapping, Observation

PLAIN = ObjectMapping(occupied_path="occupied")
NESTED = ObjectMapping(
    occupied_path="status.occupied",
    occupied_values=("occupied", "1", True),
    free_values=("free", "0", False),
    battery_path="status.battery",
    battery_unit="millivolts",
    temperature_path="sensors.0.temperature",
    temperature_unit="fahrenheit",
)
READ = [
    (PLAIN, {"occupied": True}, True),
    (PLAIN, {"occupied": False}, False),
    # ChirpStack writes every number of an object as a float.
    (PLAIN, {"occupied": 1.0}, True),
    (PLAIN, {"occupied": 0.0}, False),
    (PLAIN, {"occupied": "Occupied "}, True),
    (PLAIN, {"occupied": "VACANT"}, False),
    (PLAIN, {"occupied": "true"}, True),
    (NESTED, {"status": {"occupied": "1"}}, True),
    (NESTED, {"status": {"occupied": 1}}, True),
    (NESTED, {"status": {"occupied": "free"}}, False),
    (ObjectMapping(occupied_path="p.1.s", occupied_values=(2.5,), free_values=(3,)), {"p": [{}, {"s": 2.5}]}, True),
]
REFUSED: list[tuple[ObjectMapping, Any, str]] = [
    (PLAIN, {}, "nothing at 'occupied'"),
    (PLAIN, None, "nothing at 'occupied'"),
    (PLAIN, [], "nothing at 'occupied'"),
    (PLAIN, "occupied", "nothing at 'occupied'"),
    (NESTED, {"status": "occupied"}, "nothing at 'status.occupied'"),
    (NESTED, {"status.occupied": True}, "nothing at 'status.occupied'"),
    (PLAIN, {"occupied": None}, "not NoneType"),
    (PLAIN, {"occupied": {"now": True}}, "not dict"),
    (PLAIN, {"occupied": [True]}, "not list"),
    (PLAIN, {"occupied": 2}, "neither occupied nor free"),
    (PLAIN, {"occupied": 0.5}, "neither occupied nor free"),
    (PLAIN, {"occupied": ""}, "neither occupied nor free"),
    (PLAIN, {"occupied": math.nan}, "no state"),
    (PLAIN, {"occupied": math.inf}, "no state"),
    (PLAIN, {"occupied": 10**5000}, "no state"),
    (NESTED, {"status": {"occupied": True, "battery": "3600"}}, "expected a number at 'status.battery'"),
    (NESTED, {"status": {"occupied": True, "battery": True}}, "not bool"),
    (NESTED, {"status": {"occupied": True, "battery": math.nan}}, "no measurement"),
    (NESTED, {"status": {"occupied": True, "battery": -math.inf}}, "no measurement"),
    (NESTED, {"status": {"occupied": True, "battery": 10**400}}, "no measurement"),
]


@pytest.mark.parametrize(("mapping", "decoded", "occupied"), READ)
def test_configured_value_becomes_the_state(mapping: ObjectMapping, decoded: Any, occupied: bool) -> None:
    assert mapping.decode(decoded).occupied is occupied


@pytest.mark.parametrize(("mapping", "decoded", "reason"), REFUSED, ids=range(len(REFUSED)))
def test_other_object_is_refused_with_reason(mapping: ObjectMapping, decoded: Any, reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        mapping.decode(decoded)


def test_readings_are_converted_to_volts_and_celsius() -> None:
    decoded = {"status": {"occupied": "1", "battery": 3600.0}, "sensors": [{"temperature": 212}]}
    assert NESTED.decode(decoded) == Observation(
        kind="other", occupied=True, battery_volts=3.6, temperature_celsius=100.0
    )
    percent = ObjectMapping(occupied_path="o", battery_path="b", battery_unit="percent", temperature_path="t")
    assert percent.decode({"o": True, "b": 88, "t": None}) == Observation(
        kind="other", occupied=True, battery_percent=88.0
    )


def test_missing_reading_does_not_cost_the_state() -> None:
    assert NESTED.decode({"status": {"occupied": "1"}}) == Observation(kind="other", occupied=True)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "occupied_path"),
        ({"occupied_path": ""}, "dotted keys"),
        ({"occupied_path": "a..b"}, "dotted keys"),
        ({"occupied_path": ".".join("a" * 17)}, "dotted keys"),
        ({"occupied_path": "a", "battery_path": "."}, "dotted keys"),
        ({"occupied_path": "a", "occupied_values": []}, "at least one value"),
        ({"occupied_path": "a", "occupied_values": ["1"], "free_values": [1]}, "occupied and free at once"),
        ({"occupied_path": "a", "battery_unit": "ohm"}, "ohm"),
        ({"occupied_path": "a", "ocupied_values": [1]}, "ocupied_values"),
    ],
)
def test_mapping_that_cannot_work_is_refused_when_it_is_set(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=reason):
        msgspec.convert(settings, ObjectMapping)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(10**400), 2**53, 2**63]),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=8),
    st.sampled_from(["occupied", "free", "1", "0"]),
)
KEYS = st.sampled_from(["occupied", "status", "battery", "sensors", "temperature", "0", "x"])
OBJECTS = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.dictionaries(KEYS, inner, max_size=5),
        st.lists(inner, max_size=3),
        st.fixed_dictionaries(
            {"status": st.fixed_dictionaries({"occupied": SCALARS, "battery": SCALARS}), "occupied": SCALARS}
        ),
    ),
    max_leaves=25,
)


@given(decoded=OBJECTS, mapping=st.sampled_from([PLAIN, NESTED]))
def test_any_object_is_read_or_raises_the_codecs_error(decoded: Any, mapping: ObjectMapping) -> None:
    try:
        observation = mapping.decode(decoded)
    except CodecError:
        return
    assert type(observation.occupied) is bool
    for reading in (observation.battery_volts, observation.temperature_celsius):
        assert reading is None or math.isfinite(reading)


def test_deep_nesting_is_walked_without_recursion() -> None:
    decoded: Any = True
    for _ in range(100_000):
        decoded = {"occupied": decoded}
    with pytest.raises(CodecError, match="not dict"):
        PLAIN.decode(decoded)
