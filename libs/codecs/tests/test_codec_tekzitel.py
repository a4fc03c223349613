"""Tekzitel TEKZIPARK. Vectors of port 1: TheThingsNetwork/lorawan-devices vendor/tekzitel; port 2 is its layout."""

import pytest

from parking_codecs.codec import CodecError, Observation
from parking_codecs.tekzitel import CODEC

RADAR_99 = {"parking_id": 99, "battery_good": True, "obstruction": False, "radar": True, "no_beacon": False}
VECTORS = [
    (
        1,
        "a82d63",
        Observation(kind="change", occupied=True, temperature_celsius=45.0, attributes=RADAR_99),
    ),
    (
        1,
        "a82d63b000550120",
        Observation(
            kind="change",
            occupied=True,
            temperature_celsius=45.0,
            attributes={**RADAR_99, "beacon_rssi_dbm": -80, "beacons": "0055,0120"},
        ),
    ),
    (
        1,
        "292e62",
        Observation(
            kind="heartbeat",
            occupied=False,
            temperature_celsius=46.0,
            attributes={**RADAR_99, "parking_id": 98},
        ),
    ),
    (
        2,
        "96fb6301ff807f00c8050607",
        Observation(
            kind="start_up",
            occupied=True,
            temperature_celsius=-5.0,
            attributes={
                "parking_id": 99,
                "battery_good": False,
                "obstruction": True,
                "radar": False,
                "no_beacon": True,
                "deflection_x": 1,
                "deflection_y": -1,
                "deflection_z": -128,
                "baseline_x": 127,
                "baseline_y": 0,
                "baseline_z": -56,
                "fault_code": 5,
                "obstruction_level": 6,
                "reflection": 7,
            },
        ),
    ),
]
REFUSED = [
    (42, "292e62", "unknown fPort"),
    (1, "", "expected 3 bytes"),
    (1, "a82d", "expected 3 bytes"),
    (1, "a82d63b000", "expected 3 bytes, or 4 and 2 per beacon"),
    (2, "a82d63", "expected 12 bytes"),
]


@pytest.mark.parametrize(("f_port", "payload", "expected"), VECTORS)
def test_published_frame_is_read(f_port: int, payload: str, expected: Observation) -> None:
    assert CODEC.decode(f_port, bytes.fromhex(payload)) == expected


@pytest.mark.parametrize(("f_port", "payload", "reason"), REFUSED)
def test_other_frame_is_refused_with_reason(f_port: int, payload: str, reason: str) -> None:
    with pytest.raises(CodecError, match=reason) as caught:
        CODEC.decode(f_port, bytes.fromhex(payload))
    assert (caught.value.f_port, caught.value.length) == (f_port, len(bytes.fromhex(payload)))
