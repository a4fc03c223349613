"""Browan TBMS100. Vector: TheThingsNetwork/lorawan-devices vendor/browan/tbms100."""

import pytest

from parking_codecs.browan_tbms100 import CODEC
from parking_codecs.codec import CodecError, Observation

VECTORS = [
    (
        102,
        "01bb340400dc7801",
        Observation(
            kind="heartbeat",
            occupied=True,
            battery_volts=3.6,
            temperature_celsius=20.0,
            attributes={"minutes_since_event": 4, "event_count": 96_476},
        ),
    ),
    (
        102,
        "00bb340000dc7801",
        Observation(
            kind="change",
            occupied=False,
            battery_volts=3.6,
            temperature_celsius=20.0,
            attributes={"minutes_since_event": 0, "event_count": 96_476},
        ),
    ),
    (204, "0110", Observation(kind="configuration", attributes={"payload_hex": "0110"})),
]
REFUSED = [
    (42, "01", "unknown fPort"),
    (102, "", "expected 8 bytes"),
    (102, "0000000000000000", "no measurement"),
    (102, "01bb340400dc78", "expected 8 bytes"),
    (204, "", "at least 1"),
]


def test_operator_is_warned_that_a_parked_car_reads_free() -> None:
    assert CODEC.warning is not None
    assert "parked car reads free" in CODEC.warning


@pytest.mark.parametrize(("f_port", "payload", "expected"), VECTORS)
def test_published_frame_is_read(f_port: int, payload: str, expected: Observation) -> None:
    assert CODEC.decode(f_port, bytes.fromhex(payload)) == expected


@pytest.mark.parametrize(("f_port", "payload", "reason"), REFUSED)
def test_other_frame_is_refused_with_reason(f_port: int, payload: str, reason: str) -> None:
    with pytest.raises(CodecError, match=reason) as caught:
        CODEC.decode(f_port, bytes.fromhex(payload))
    assert (caught.value.f_port, caught.value.length) == (f_port, len(bytes.fromhex(payload)))
