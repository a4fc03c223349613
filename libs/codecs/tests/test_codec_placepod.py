"""PNI PlacePod. Vectors: sjkp/PNI.PlacePod (tests) and ZennerIoT/element-parsers pni_placepods, which tell no port."""

import pytest

from parking_codecs.codec import CodecError, Observation
from parking_codecs.placepod import CODEC

VECTORS = [
    (1, "026700f0", Observation(kind="other", temperature_celsius=24.0)),
    (1, "026701f0", Observation(kind="other", temperature_celsius=49.6)),
    (1, "026781f0", Observation(kind="other", temperature_celsius=-49.6)),
    # The same cold in the other notation.
    (1, "0267fe10", Observation(kind="other", temperature_celsius=-49.6)),
    (1, "010101", Observation(kind="configuration", attributes={"recalibrated": True})),
    (1, "010100", Observation(kind="configuration", attributes={"recalibrated": False})),
    (1, "0302015e", Observation(kind="other", battery_volts=3.5)),
    (1, "156601", Observation(kind="change", occupied=True)),
    (1, "156600", Observation(kind="change", occupied=False)),
    (1, "1c0101", Observation(kind="configuration", attributes={"deactivated": True})),
    (1, "210020", Observation(kind="other", attributes={"vehicle_count": 32})),
    (1, "210080", Observation(kind="other", attributes={"rebooted_or_recalibrated": True})),
    (1, "376600", Observation(kind="heartbeat", occupied=False)),
    (1, "376601", Observation(kind="heartbeat", occupied=True)),
    (1, "370080", Observation(kind="heartbeat", attributes={"rebooted_or_recalibrated": True})),
    (1, "370020", Observation(kind="heartbeat", attributes={"vehicle_count": 32})),
    (1, "3f0101", Observation(kind="start_up", attributes={"rebooted": True})),
    (1, "156600156601", Observation(kind="change", occupied=True, attributes={"earlier_occupied": False})),
    (1, "0302016c026700dc", Observation(kind="other", battery_volts=3.64, temperature_celsius=22.0)),
    (1, "026700c3376601", Observation(kind="heartbeat", occupied=True, temperature_celsius=19.5)),
    (
        1,
        "0302016d026700e1156600",
        Observation(kind="change", occupied=False, battery_volts=3.65, temperature_celsius=22.5),
    ),
    (
        1,
        "3f01013766002100201c01011566010302015e026700f0010101cafebabe",
        Observation(
            kind="start_up",
            occupied=True,
            battery_volts=3.5,
            temperature_celsius=24.0,
            attributes={
                "rebooted": True,
                "vehicle_count": 32,
                "deactivated": True,
                "earlier_occupied": False,
                "recalibrated": True,
                "unparsed_hex": "cafebabe",
            },
        ),
    ),
    # The maker's internal channels 5 and 6 are stepped over.
    (2, "050011060022156601", Observation(kind="change", occupied=True)),
]
REFUSED = [
    (1, "", "expected application data"),
    (0, "156601", "expected application data"),
    (224, "156601", "expected application data"),
    (1, "15", "expected whole elements"),
    (1, "1566", "expected whole elements"),
    (1, "1566010267", "expected whole elements"),
    (1, "15660102", "expected whole elements"),
    (1, "cafebabe", "expected whole elements"),
    (1, "156602", "expected state 0 or 1"),
]


@pytest.mark.parametrize(("f_port", "payload", "expected"), VECTORS)
def test_published_frame_is_read(f_port: int, payload: str, expected: Observation) -> None:
    assert CODEC.decode(f_port, bytes.fromhex(payload)) == expected


@pytest.mark.parametrize(("f_port", "payload", "reason"), REFUSED)
def test_other_frame_is_refused_with_reason(f_port: int, payload: str, reason: str) -> None:
    with pytest.raises(CodecError, match=reason) as caught:
        CODEC.decode(f_port, bytes.fromhex(payload))
    assert (caught.value.f_port, caught.value.length) == (f_port, len(bytes.fromhex(payload)))
