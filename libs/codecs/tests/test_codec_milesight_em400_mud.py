"""Milesight EM400-MUD. Vectors: Milesight-IoT/SensorDecoders em-series/em400-mud; TheThingsNetwork/lorawan-devices
vendor/milesight-iot; EM400-MUD user guide (power-on frame, alarms, location)."""

import pytest

from parking_codecs.codec import CodecError, Observation
from parking_codecs.milesight_em400_mud import CODEC

VECTORS = [
    (
        85,
        "01755c0367010104824408050001",
        Observation(
            kind="heartbeat",
            battery_percent=92.0,
            temperature_celsius=25.7,
            attributes={"distance_millimetres": 2116, "tilted": True},
        ),
    ),
    (
        85,
        "8367e800018482410601",
        Observation(
            kind="change",
            occupied=True,
            temperature_celsius=23.2,
            attributes={"distance_millimetres": 1601, "temperature_alarm": True},
        ),
    ),
    (
        85,
        "01756403670b0104823b01050001",
        Observation(
            kind="heartbeat",
            battery_percent=100.0,
            temperature_celsius=26.7,
            attributes={"distance_millimetres": 315, "tilted": True},
        ),
    ),
    (85, "8482330701", Observation(kind="change", occupied=True, attributes={"distance_millimetres": 1843})),
    (85, "8482330700", Observation(kind="change", occupied=False, attributes={"distance_millimetres": 1843})),
    (
        85,
        "8367220101",
        Observation(kind="other", temperature_celsius=29.0, attributes={"temperature_alarm": True}),
    ),
    (85, "0688ffffffffffffffff20", Observation(kind="heartbeat")),
    (
        85,
        "ff0bffff0101ff166329c42503920003ff090100ff0a0101ff0f00",
        Observation(
            kind="start_up",
            attributes={"hardware": "1.0", "firmware": "1.1", "serial_number": "6329c42503920003"},
        ),
    ),
    # Measured by a tilted sensor: no evidence of an empty bay.
    (
        85,
        "8482330700050001",
        Observation(kind="change", attributes={"distance_millimetres": 1843, "tilted": True}),
    ),
    (85, "fe7102", Observation(kind="configuration", attributes={"working_mode": "parking"})),
    (85, "ff03b004", Observation(kind="configuration", attributes={"report_interval_seconds": 1200})),
    (85, "03679cff", Observation(kind="heartbeat", temperature_celsius=-10.0)),
]
REFUSED = [
    (85, "", "expected application data"),
    (0, "01755c", "expected application data"),
    (85, "0175", "cut-short element at byte 0"),
    (85, "01755c03", "element at byte 3"),
    (85, "01755c036701", "element at byte 3"),
    (85, "9999", "unknown or cut-short"),
    (85, "ffee00", "unknown or cut-short"),
    (85, "8482330702", "expected alarm flag"),
]


def test_operator_is_told_which_settings_make_it_a_parking_sensor() -> None:
    assert CODEC.warning is not None
    assert "parking mode" in CODEC.warning


@pytest.mark.parametrize(("f_port", "payload", "expected"), VECTORS)
def test_published_frame_is_read(f_port: int, payload: str, expected: Observation) -> None:
    assert CODEC.decode(f_port, bytes.fromhex(payload)) == expected


@pytest.mark.parametrize(("f_port", "payload", "reason"), REFUSED)
def test_other_frame_is_refused_with_reason(f_port: int, payload: str, reason: str) -> None:
    with pytest.raises(CodecError, match=reason) as caught:
        CODEC.decode(f_port, bytes.fromhex(payload))
    assert (caught.value.f_port, caught.value.length) == (f_port, len(bytes.fromhex(payload)))
