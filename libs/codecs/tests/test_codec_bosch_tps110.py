"""Bosch TPS110. Vectors: TheThingsNetwork/lorawan-devices vendor/bosch; ZennerIoT/element-parsers bosch_parksensor."""

import pytest

from parking_codecs.bosch_tps110 import CODEC
from parking_codecs.codec import CodecError, Observation

VECTORS = [
    (1, "01", Observation(kind="change", occupied=True)),
    (1, "00", Observation(kind="change", occupied=False)),
    (2, "01", Observation(kind="heartbeat", occupied=True)),
    (2, "00", Observation(kind="heartbeat", occupied=False)),
    (2, "01ff", Observation(kind="heartbeat", occupied=True, temperature_celsius=-1.0)),
    (
        3,
        "240300007503000000000000001d020301",
        Observation(
            kind="start_up",
            occupied=True,
            attributes={
                "debug_codes": "804,885",
                "firmware": "0.29.2",
                "reset_cause": "system_request",
                "reset_cause_code": 3,
            },
        ),
    ),
    # Its source calls cause 2 of firmware 0.23.3 "system request": the list was renumbered, so the code is kept.
    (
        3,
        "0000000099020206006f00000017030200",
        Observation(
            kind="start_up",
            occupied=False,
            attributes={
                "debug_codes": "665,3840",
                "firmware": "0.23.3",
                "reset_cause": "power_on",
                "reset_cause_code": 2,
            },
        ),
    ),
    (4, "0102", Observation(kind="other", attributes={"payload_hex": "0102"})),
    (
        6,
        "78563412240300000700",
        Observation(
            kind="other",
            attributes={"debug_timestamp": 0x12345678, "debug_codes": "804", "debug_sequence": 7},
        ),
    ),
]
REFUSED = [
    (1, "", "expected 1 bytes"),
    (2, "", "expected 1 or 2 bytes"),
    (1, "0100", "expected 1 bytes"),
    (2, "010203", "expected 1 or 2 bytes"),
    (3, "240300007503000000000000001d0203", "expected 17 bytes"),
    (6, "00", "at least 10"),
    (0, "", "unknown fPort"),
    (7, "01", "unknown fPort"),
]


@pytest.mark.parametrize(("f_port", "payload", "expected"), VECTORS)
def test_published_frame_is_read(f_port: int, payload: str, expected: Observation) -> None:
    assert CODEC.decode(f_port, bytes.fromhex(payload)) == expected


@pytest.mark.parametrize(("f_port", "payload", "reason"), REFUSED)
def test_other_frame_is_refused_with_reason(f_port: int, payload: str, reason: str) -> None:
    with pytest.raises(CodecError, match=reason) as caught:
        CODEC.decode(f_port, bytes.fromhex(payload))
    assert (caught.value.f_port, caught.value.length) == (f_port, len(bytes.fromhex(payload)))
