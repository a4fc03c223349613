"""Libelium Smart Parking v2. Vectors: README and tests of the public package libelium-parking-sensor-v2, and those
of the preceding model in ZennerIoT/element-parsers (the same header; their other fields belong to its firmware).
"""

import pytest

from parking_codecs.codec import CodecError, Observation, ObservationKind
from parking_codecs.libelium import CODEC


def header(kind: ObservationKind, occupied: bool, frame_type: str, payload: str, *, low: bool = False) -> Observation:
    return Observation(
        kind=kind,
        occupied=occupied,
        attributes={
            "frame_type": frame_type,
            "battery_low": low,
            "sequence": int(payload[2:4], 16),
            "payload_hex": payload[4:].lower(),
        },
    )


ZEROS = "00" * 9
FRAMES = [
    ("800a010203040506070809", "change", True, "information", False),
    ("0001" + ZEROS, "change", False, "information", False),
    ("410a" + ZEROS, "heartbeat", False, "keep_alive", True),
    ("8100" + ZEROS, "heartbeat", True, "keep_alive", False),
    ("c105" + ZEROS, "heartbeat", True, "keep_alive", True),
    ("0200" + ZEROS, "configuration", False, "configuration_up", False),
    ("0300" + ZEROS, "other", False, "configuration_down", False),
    ("0400" + ZEROS, "start_up", False, "start_1", False),
    ("8510" + ZEROS, "start_up", True, "start_2", False),
    ("0600" + ZEROS, "other", False, "clock_sync", False),
    ("c77f" + "ab" * 9, "other", True, "clock_request", True),
    ("0800" + ZEROS, "change", False, "information", False),
    ("80041E01AD109393EE00C7", "change", True, "information", False),
    ("8114160011F35A1095F3B5", "heartbeat", True, "keep_alive", False),
    ("829F665700000D9F00FF00", "configuration", True, "configuration_up", False),
    ("0303071E01921085853AC6", "other", False, "configuration_down", False),
    ("04001E0E7CF2D9F91E0DDF", "start_up", False, "start_1", False),
    ("050106160801010100014B", "start_up", False, "start_2", False),
    ("060A00001F00C60561ED91", "other", False, "clock_sync", False),
    ("070A00001F00C60561ED91", "other", False, "clock_request", False),
    ("080A00001F00C60561ED91", "change", False, "information", False),
    ("090A00001F00C60561ED91", "heartbeat", False, "keep_alive", False),
]
VECTORS = [
    (1, payload, header(kind, occupied, frame_type, payload, low=low))
    for payload, kind, occupied, frame_type, low in FRAMES
]
REFUSED = [
    (1, "", "expected application data"),
    (1, "00" * 10, "expected 11 bytes"),
    (1, "00" * 12, "expected 11 bytes"),
    (0, "00" * 11, "expected application data"),
]


@pytest.mark.parametrize(("f_port", "payload", "expected"), VECTORS)
def test_published_frame_is_read(f_port: int, payload: str, expected: Observation) -> None:
    assert CODEC.decode(f_port, bytes.fromhex(payload)) == expected


@pytest.mark.parametrize(("f_port", "payload", "reason"), REFUSED)
def test_other_frame_is_refused_with_reason(f_port: int, payload: str, reason: str) -> None:
    with pytest.raises(CodecError, match=reason) as caught:
        CODEC.decode(f_port, bytes.fromhex(payload))
    assert (caught.value.f_port, caught.value.length) == (f_port, len(bytes.fromhex(payload)))
