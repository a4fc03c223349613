"""Dingtek DO200, DO201, DO202. Vectors: TheThingsNetwork/lorawan-devices vendor/dingtek; the occupied one is the first
with its vehicle nibble set. (-117 degrees in 45 % humidity is what the maker publishes: odd, but whole.)"""

import pytest

from parking_codecs.codec import CodecError, Observation
from parking_codecs.dingtek_do200 import CODEC

DO200 = {
    "model": "DO200",
    "distance_alarm": False,
    "magnetic_alarm": False,
    "battery_alarm": False,
    "magnetometer_x": 121,
    "magnetometer_y": -80,
    "magnetometer_z": -11,
    "distance_millimetres": 0,
    "frame_counter": 0,
}
DO202 = {
    "model": "DO202",
    "distance_alarm": False,
    "magnetic_alarm": False,
    "battery_alarm": False,
    "magnetometer_x": 16,
    "magnetometer_y": -10,
    "magnetometer_z": -16,
    "humidity_percent": 45,
    "frame_counter": 1,
}
VECTORS = [
    (
        3,
        "800002011500000000016f0079ffb0fff500000081",
        Observation(kind="other", occupied=False, battery_volts=3.67, attributes=DO200),
    ),
    (
        3,
        "800002011500001000016f0079ffb0fff500000081",
        Observation(kind="other", occupied=True, battery_volts=3.67, attributes=DO200),
    ),
    (
        3,
        "800002031100" + "0b18020a05a0003c000081",
        Observation(
            kind="configuration",
            attributes={
                "model": "DO200",
                "firmware": "0.11",
                "upload_interval_hours": 24,
                "ultrasonic_interval_minutes": 2,
                "magnetic_interval_seconds": 10,
                "magnetic_threshold": 60,
            },
        ),
    ),
    (
        3,
        "800031021706b4000001610010fff6fff08b2d00010081",
        Observation(
            kind="other",
            occupied=False,
            battery_volts=3.53,
            temperature_celsius=-117.0,
            attributes={**DO202, "model": "DO201", "distance_millimetres": 1716},
        ),
    ),
    (
        3,
        "80003103100101181e3c003c14000081",
        Observation(
            kind="configuration",
            attributes={
                "model": "DO201",
                "firmware": "1.1",
                "upload_interval_hours": 24,
                "detection_interval_minutes": 30,
                "distance_threshold_centimetres": 60,
                "magnetic_threshold": 60,
                "battery_threshold_percent": 20,
            },
        ),
    ),
    (
        3,
        "800032021706b4000001610010fff6fff08b2d00010081",
        Observation(
            kind="other",
            occupied=False,
            battery_volts=3.53,
            temperature_celsius=-117.0,
            attributes=DO202,
        ),
    ),
    (
        3,
        "80003203100101181e3c003c14000081",
        Observation(
            kind="configuration",
            attributes={
                "model": "DO202",
                "firmware": "1.1",
                "upload_interval_hours": 24,
                "detection_interval_minutes": 30,
                "magnetic_threshold": 60,
                "battery_threshold_percent": 20,
            },
        ),
    ),
]
REFUSED = [
    (1, "800002011500000000016f0079ffb0fff500000081", "unknown fPort"),
    (3, "", "expected 80 00 model"),
    (3, "800002011500000000016f0079ffb0fff5000081", "with its own length"),
    (3, "000002011500000000016f0079ffb0fff500000081", "expected 80 00 model"),
    (3, "800099011500000000016f0079ffb0fff500000081", "not 99"),
    (3, "800002091500000000016f0079ffb0fff500000081", "not type 09"),
]


@pytest.mark.parametrize(("f_port", "payload", "expected"), VECTORS)
def test_published_frame_is_read(f_port: int, payload: str, expected: Observation) -> None:
    assert CODEC.decode(f_port, bytes.fromhex(payload)) == expected


@pytest.mark.parametrize(("f_port", "payload", "reason"), REFUSED)
def test_other_frame_is_refused_with_reason(f_port: int, payload: str, reason: str) -> None:
    with pytest.raises(CodecError, match=reason) as caught:
        CODEC.decode(f_port, bytes.fromhex(payload))
    assert (caught.value.f_port, caught.value.length) == (f_port, len(bytes.fromhex(payload)))
