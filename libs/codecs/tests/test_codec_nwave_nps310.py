"""Nwave NPS310. Vectors: TheThingsNetwork/lorawan-devices vendor/nwave/nps310sm."""

import pytest

from parking_codecs.codec import CodecError, Observation
from parking_codecs.nwave import NPS310 as CODEC

VECTORS = [
    (1, "01", Observation(kind="change", occupied=True)),
    (1, "00", Observation(kind="change", occupied=False)),
    (2, "00", Observation(kind="heartbeat", occupied=False)),
    (2, "01", Observation(kind="heartbeat", occupied=True)),
    (
        3,
        "010d000200",
        Observation(kind="start_up", occupied=False, attributes={"firmware": "1.13.0", "reset_cause": "power_on"}),
    ),
    (
        3,
        "010d00ff01",
        Observation(kind="start_up", occupied=True, attributes={"firmware": "1.13.0", "reset_cause": "unknown"}),
    ),
    (6, "0102", Observation(kind="other", attributes={"payload_hex": "0102"})),
]
REFUSED = [
    (1, "", "expected 1 bytes"),
    (2, "0000", "expected 1 bytes"),
    (3, "010d0002", "expected 5 bytes"),
    (10, "d11f345678", "unknown fPort"),
]


@pytest.mark.parametrize(("f_port", "payload", "expected"), VECTORS)
def test_published_frame_is_read(f_port: int, payload: str, expected: Observation) -> None:
    assert CODEC.decode(f_port, bytes.fromhex(payload)) == expected


@pytest.mark.parametrize(("f_port", "payload", "reason"), REFUSED)
def test_other_frame_is_refused_with_reason(f_port: int, payload: str, reason: str) -> None:
    with pytest.raises(CodecError, match=reason) as caught:
        CODEC.decode(f_port, bytes.fromhex(payload))
    assert (caught.value.f_port, caught.value.length) == (f_port, len(bytes.fromhex(payload)))
