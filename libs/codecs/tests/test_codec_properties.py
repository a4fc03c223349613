"""What holds for every installed codec, whatever bytes arrive: only `CodecError`, and never an invented "free"."""

import math

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parking_codecs import (
    CodecError,
    Colour,
    DisplayCodec,
    DisplayCommand,
    DisplayReport,
    Observation,
    SensorCodec,
    ShowColour,
    load_registry,
)

REGISTRY = load_registry()
SENSORS = sorted(REGISTRY.sensors.values(), key=lambda codec: codec.name)
DISPLAYS = sorted(REGISTRY.displays.values(), key=lambda codec: codec.name)
F_PORTS = st.one_of(st.sampled_from([1, 2, 3, 4, 5, 6, 10, 15, 85, 102, 204]), st.integers(0, 255))
# Pieces of real frames, so that the element walkers get beyond their first byte.
PIECES = [
    b"\x15\x66\x01",
    b"\x37\x66\x00",
    b"\x03\x02\x01\x6c",
    b"\x02\x67\x00\xdc",
    b"\x84\x82\x33\x07\x01",
    b"\x01\x75\x5c",
    b"\xff\x0b\xff",
    b"\xfe\x71\x02",
    b"\x02\x01\x0c",
    b"\x32\x01\x00",
    b"\x25\x06\x00\x00\x00\x00\x00\x00",
    bytes.fromhex("fe0162a1b2c3002a0006010002010b320100"),
    bytes.fromhex("800002011500000000016f0079ffb0fff500000081"),
]
PAYLOADS = st.one_of(
    st.binary(max_size=60),
    st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=4)), max_size=8).map(b"".join),
)
SIZED = {21: "8000020115", 23: "8000310217", 17: "8000020311", 16: "8000310310"}
DINGTEK = st.sampled_from(list(SIZED)).flatmap(
    lambda size: st.binary(min_size=size - 6, max_size=size - 6).map(
        lambda body: bytes.fromhex(SIZED[size]) + body + b"\x81"
    )
)
MOKO = st.binary(max_size=48).map(
    lambda elements: bytes.fromhex("fe0162a1b2c3002a") + len(elements).to_bytes(2, "big") + b"\x01\x00" + elements
)


def decoded_or_error(codec: SensorCodec, f_port: int, payload: bytes) -> Observation | CodecError:
    try:
        return codec.decode(f_port, payload)
    except CodecError as error:
        return error


@pytest.mark.parametrize("codec", SENSORS, ids=lambda codec: codec.name)
@given(f_port=F_PORTS, payload=st.one_of(PAYLOADS, DINGTEK, MOKO))
@example(f_port=3, payload=bytes.fromhex("240300007503000000000000001d020301"))
def test_sensor_raises_nothing_but_its_own_error(codec: SensorCodec, f_port: int, payload: bytes) -> None:
    observation = decoded_or_error(codec, f_port, payload)
    if isinstance(observation, CodecError):
        stated = (bool(observation.detail), observation.f_port, observation.length)
        assert stated == (True, f_port, len(payload))
        return
    assert payload, "an empty payload must never be read"
    for reading in (observation.battery_volts, observation.battery_percent, observation.temperature_celsius):
        assert reading is None or (type(reading) is float and math.isfinite(reading))
    assert observation.occupied is None or type(observation.occupied) is bool
    # What is stored as JSON must come back as it was.
    assert msgspec.json.decode(msgspec.json.encode(observation), type=Observation) == observation


@pytest.mark.parametrize("codec", SENSORS, ids=lambda codec: codec.name)
def test_empty_payload_is_never_free(codec: SensorCodec) -> None:
    assert all(isinstance(decoded_or_error(codec, f_port, b""), CodecError) for f_port in range(256))


@pytest.mark.parametrize("codec", SENSORS, ids=lambda codec: codec.name)
@given(payload=PAYLOADS)
def test_mac_port_is_never_free(codec: SensorCodec, payload: bytes) -> None:
    with pytest.raises(CodecError):
        codec.decode(0, payload)


@pytest.mark.parametrize("codec", DISPLAYS, ids=lambda codec: codec.name)
@given(f_port=F_PORTS, payload=st.one_of(st.binary(max_size=30), st.binary(min_size=24, max_size=25)))
def test_display_reads_or_raises_its_own_error(codec: DisplayCodec, f_port: int, payload: bytes) -> None:
    try:
        report = codec.decode(f_port, payload)
    except CodecError:
        return
    assert payload, "an empty payload must never be read"
    assert msgspec.json.decode(msgspec.json.encode(report), type=DisplayReport) == report


@pytest.mark.parametrize("codec", DISPLAYS, ids=lambda codec: codec.name)
@given(command=st.from_type(DisplayCommand))
def test_display_encodes_or_raises_its_own_error(codec: DisplayCodec, command: DisplayCommand) -> None:
    try:
        downlink = codec.encode(command)
    except CodecError:
        return
    assert 1 <= downlink.f_port <= 223
    assert 1 <= len(downlink.payload) <= 242


BYTE = st.integers(0, 255)


@given(light=st.builds(ShowColour, BYTE, BYTE, BYTE, BYTE, BYTE, st.booleans()), newer=st.booleans())
def test_busylight_shows_what_it_was_sent(light: ShowColour, newer: bool) -> None:
    codec = REGISTRY.displays["kuando_busylight"]
    sent = codec.encode(light).payload
    report = codec.decode(15, bytes(16) + sent[:5] + bytes(4 if newer else 3))
    assert report.colour == Colour(light.red, light.green, light.blue, light.on_centiseconds, light.off_centiseconds)
    assert codec.shows(light, report) is True


@given(red=BYTE, green=BYTE, blue=BYTE)
def test_rgb_light_shows_what_it_was_sent(red: int, green: int, blue: int) -> None:
    codec = REGISTRY.displays["generic_rgb"]
    downlink = codec.encode(ShowColour(red, green, blue))
    assert codec.decode(downlink.f_port, downlink.payload).colour == Colour(red, green, blue)
