"""MOKO LW009. Its makers publish decoders but no frames: these are built from the two public decoders' layout, in the
element order and at the byte offsets that the offset-based one expects."""

import pytest

from parking_codecs.codec import CodecError, Observation
from parking_codecs.moko_lw009 import CODEC

HEADER = "fe0162a1b2c3002a"
STATUS = "0201{event}2303010203240164" + "25060064ff9c0000" + "3201{state}0b01f635012d"
PARAMETERS = "0301850501020603000b40220103"


def frame(elements: str, encrypted: str = "00") -> str:
    return f"{HEADER}{len(elements) // 2:04x}01{encrypted}{elements}"


def status(event: str, state: str) -> str:
    return frame(STATUS.format(event=event, state=state))


STATUS_ATTRIBUTES = {
    "frame_counter": 42,
    "radar_hex": "010203",
    "magnetometer_x": 100,
    "magnetometer_y": -100,
    "magnetometer_z": 0,
    "humidity_percent": 45,
}


def observed(kind: str, event: str, occupied: bool | None) -> Observation:
    return Observation(
        kind=kind,
        occupied=occupied,
        battery_percent=100.0,
        temperature_celsius=-10.0,
        attributes={**STATUS_ATTRIBUTES, "event": event},
    )


VECTORS = [
    (1, status("00", "01"), observed("heartbeat", "heartbeat", True)),
    (1, status("00", "00"), observed("heartbeat", "heartbeat", False)),
    (1, status("0b", "00"), observed("change", "became_empty", False)),
    (1, status("0c", "01"), observed("change", "became_occupied", True)),
    (1, status("0d", "01"), observed("other", "magnetic_interference", True)),
    (1, status("0e", "00"), observed("other", "battery_low", False)),
    (1, status("11", "01"), observed("other", "temperature_and_humidity_failed", True)),
    # A sensor that reports itself blind proves nothing, whatever state it repeats.
    (1, status("0f", "00"), observed("other", "magnetometer_failed", None)),
    (1, status("10", "00"), observed("other", "magnetometer_failed", None)),
    (1, status("12", "00"), observed("other", "radar_failed", None)),
    (
        1,
        frame("02010c29020e10"),
        Observation(
            kind="change",
            occupied=True,
            battery_volts=3.6,
            attributes={"frame_counter": 42, "event": "became_occupied"},
        ),
    ),
    (1, frame("020100"), Observation(kind="heartbeat", attributes={"frame_counter": 42, "event": "heartbeat"})),
    (
        1,
        frame(PARAMETERS),
        Observation(
            kind="configuration",
            attributes={
                "frame_counter": 42,
                "device_type": 0x85,
                "device_version": 2,
                "heartbeat_interval_seconds": 86_400,
                "sensitivity": 3,
            },
        ),
    ),
    (1, frame("320101" + "7702abcd"), Observation(kind="other", occupied=True, attributes={"frame_counter": 42})),
]
REFUSED = [
    (1, "", "at least 12"),
    (2, status("00", "01"), "unknown fPort"),
    (1, HEADER, "at least 12"),
    (1, status("00", "01")[:-2], "by the header"),
    (1, frame("320101", encrypted="01"), "encrypted"),
    (1, frame("3202"), "cut short"),
    (1, frame("32"), "cut short"),
    (1, frame("32020101"), "element 32 has 2 bytes"),
    (1, frame("320102"), "unknown state"),
    (1, frame("020155"), "unknown event 55"),
    (1, frame(""), "expected an event"),
    (1, frame("240164"), "expected an event"),
]


@pytest.mark.parametrize(("f_port", "payload", "expected"), VECTORS)
def test_published_frame_is_read(f_port: int, payload: str, expected: Observation) -> None:
    assert CODEC.decode(f_port, bytes.fromhex(payload)) == expected


@pytest.mark.parametrize(("f_port", "payload", "reason"), REFUSED)
def test_other_frame_is_refused_with_reason(f_port: int, payload: str, reason: str) -> None:
    with pytest.raises(CodecError, match=reason) as caught:
        CODEC.decode(f_port, bytes.fromhex(payload))
    assert (caught.value.f_port, caught.value.length) == (f_port, len(bytes.fromhex(payload)))
