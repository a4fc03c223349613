"""Nwave NPS405. Vectors: TheThingsNetwork/lorawan-devices vendor/nwave (both published forms of the tag frame); Nwave's
"LoRaWAN Parking Sensor, Getting Started" (`e91f345678`). The steps of the duration are those of its table."""

import pytest

from parking_codecs.codec import CodecError, Observation
from parking_codecs.nwave import NPS405 as CODEC

VECTORS = [
    (
        1,
        "95",
        Observation(
            kind="change",
            occupied=True,
            attributes={"previous_state_minutes": 74, "previous_state_error_minutes": 0},
        ),
    ),
    (
        1,
        "b4",
        Observation(
            kind="change",
            occupied=False,
            attributes={"previous_state_minutes": 90, "previous_state_error_minutes": 4},
        ),
    ),
    (
        1,
        "f1",
        Observation(
            kind="change",
            occupied=True,
            attributes={"previous_state_minutes": 240, "previous_state_error_minutes": 59},
        ),
    ),
    (
        1,
        "fe",
        Observation(
            kind="change",
            occupied=False,
            attributes={"previous_state_minutes": 660, "previous_state_overflow": True},
        ),
    ),
    (
        2,
        "00d3d800590b",
        Observation(
            kind="heartbeat",
            occupied=False,
            battery_volts=3.344,
            temperature_celsius=-10.0,
            attributes={"battery_health": "normal", "hardware_health": 0},
        ),
    ),
    (
        2,
        "077e00",
        Observation(
            kind="heartbeat",
            occupied=True,
            battery_volts=3.004,
            temperature_celsius=10.0,
            attributes={"battery_health": "normal", "hardware_health": 3},
        ),
    ),
    (
        2,
        "016400",
        Observation(
            kind="heartbeat",
            occupied=True,
            battery_volts=2.9,
            temperature_celsius=10.0,
            attributes={"battery_health": "low", "hardware_health": 0},
        ),
    ),
    (
        2,
        "014ad8",
        Observation(
            kind="heartbeat",
            occupied=True,
            battery_volts=2.796,
            temperature_celsius=-10.0,
            attributes={"battery_health": "critical", "hardware_health": 0},
        ),
    ),
    (
        3,
        "0204090200",
        Observation(kind="start_up", occupied=False, attributes={"firmware": "2.4.9", "reset_cause": "power_on"}),
    ),
    (6, "aa", Observation(kind="other", attributes={"payload_hex": "aa"})),
    (
        10,
        "d1201f345678",
        Observation(
            kind="tag",
            occupied=True,
            attributes={
                "tag_id": "1f345678",
                "tag_battery_volts": 3.2,
                "previous_state_minutes": 160,
                "previous_state_error_minutes": 4,
            },
        ),
    ),
    (
        10,
        "d11f345678",
        Observation(
            kind="tag",
            occupied=True,
            attributes={
                "tag_id": "1f345678",
                "previous_state_minutes": 160,
                "previous_state_error_minutes": 4,
            },
        ),
    ),
    (
        10,
        "e91f345678",
        Observation(
            kind="tag",
            occupied=True,
            attributes={
                "tag_id": "1f345678",
                "previous_state_minutes": 220,
                "previous_state_error_minutes": 4,
            },
        ),
    ),
    # Bit 7 set, bit 0 clear: the older public decoder would have called this occupied.
    (10, "801f345678", Observation(kind="tag", attributes={"tag_id": "1f345678"})),
]
REFUSED = [
    (1, "", "expected 1 bytes"),
    (1, "9500", "expected 1 bytes"),
    (2, "00", "expected 3 or 4 or 5 or 6 bytes"),
    (3, "02040902", "expected 5 bytes"),
    (6, "", "at least 1"),
    (10, "d1", "expected 5 or 6 bytes"),
    (4, "01", "unknown fPort"),
]


@pytest.mark.parametrize(("f_port", "payload", "expected"), VECTORS)
def test_published_frame_is_read(f_port: int, payload: str, expected: Observation) -> None:
    assert CODEC.decode(f_port, bytes.fromhex(payload)) == expected


@pytest.mark.parametrize(("f_port", "payload", "reason"), REFUSED)
def test_other_frame_is_refused_with_reason(f_port: int, payload: str, reason: str) -> None:
    with pytest.raises(CodecError, match=reason) as caught:
        CODEC.decode(f_port, bytes.fromhex(payload))
    assert (caught.value.f_port, caught.value.length) == (f_port, len(bytes.fromhex(payload)))
