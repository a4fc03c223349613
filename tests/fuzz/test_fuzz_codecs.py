"""Every installed codec under mutated frames and commands: a reading that can be, or its own error; and displays agree.

Where `libs/codecs/tests/test_codec_properties.py` makes up bytes, this begins with frames that devices really send.
"""

import math
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from parking_codecs import (
    CodecError,
    CodecFaultError,
    DisplayCodec,
    DisplayCommand,
    DisplayReport,
    ObjectMapping,
    Observation,
    SendRaw,
    SensorCodec,
    ShowColour,
    ShowCount,
    ShowState,
    ShowText,
    load_registry,
)
from parking_codecs.possible import CELSIUS, PERCENT, VOLTS

REGISTRY = load_registry()
SENSORS = sorted(REGISTRY.sensors.values(), key=lambda codec: codec.name)
DISPLAYS = sorted(REGISTRY.displays.values(), key=lambda codec: codec.name)
# (fPort, frame) as published by the makers, of every family.
FRAMES = [
    *((1, "01"), (1, "00"), (2, "01ff"), (3, "240300007503000000000000001d020301"), (1, "95"), (3, "010d000200")),
    *((1, "a82d63"), (1, "292e62"), (3, "800002011500000000016f0079ffb0fff500000081"), (1, "156601"), (1, "376600")),
    *((1, "0302016c026700dc"), (1, "800a010203040506070809"), (1, "410a000000000000000000"), (102, "01bb340400dc7801")),
    *((85, "01755c03670101048208010500008482330701"), (85, "ff0bfffe7102ff090100ff0a0101")),
    *(
        (1, "fe0162a1b2c3002a0006010002010c320101"),
        (1, "fe0162a1b2c3002a000601000201002901ff"),
        (10, "0102030405060708"),
    ),
    *(
        (15, "c4ffffff210000000400000003000000999900ff00440f0101"),
        (1, "000502"),
        (1, "ffc3"),
        (85, "fb0100054d696c6573"),
    ),
]
PORTS = (0, 1, 2, 3, 10, 15, 85, 102, 204, 223, 224, 255)


def mutated(dice: Random) -> tuple[int, bytes]:
    """A frame that a device may have sent, on a bad day."""
    f_port, text = dice.choice(FRAMES)
    frame = bytearray.fromhex(text)
    for _ in range(dice.randint(0, 4)):
        place = dice.randrange(len(frame) + 1)
        match dice.randrange(5):
            case 0 if frame:
                frame[place % len(frame)] = dice.getrandbits(8)
            case 1 if frame:
                frame[place % len(frame)] ^= 1 << dice.randrange(8)
            case 2:
                frame[place:place] = dice.randbytes(dice.randint(1, 4))
            case 3:
                del frame[place : place + dice.randint(1, 4)]
            case _:
                frame += bytearray.fromhex(dice.choice(FRAMES)[1])
    return (f_port if dice.random() < 0.9 else dice.choice(PORTS)), bytes(frame[:300])


FRAME = st.integers(0, 2**64 - 1).map(lambda seed: mutated(Random(seed)))


def is_storable(value: msgspec.Struct) -> bool:
    """As JSON, in which PostgreSQL takes no NUL."""
    raw = msgspec.json.encode(value)
    return b"\\u0000" not in raw and msgspec.json.decode(raw, type=type(value)) == value


@pytest.mark.parametrize("codec", SENSORS, ids=lambda codec: codec.name)
@given(frame=FRAME)
def test_sensor_tells_what_can_be_or_raises_its_own_error(codec: SensorCodec, frame: tuple[int, bytes]) -> None:
    try:
        read = codec.decode(*frame)
    except CodecFaultError:
        raise
    except CodecError:
        return
    assert frame[0] != 0
    for value, (low, high) in (
        (read.battery_volts, VOLTS),
        (read.battery_percent, PERCENT),
        (read.temperature_celsius, CELSIUS),
    ):
        assert value is None or low <= value <= high
    assert is_storable(read)


@pytest.mark.parametrize("codec", DISPLAYS, ids=lambda codec: codec.name)
@given(frame=FRAME)
def test_display_reports_what_can_be_or_raises_its_own_error(codec: DisplayCodec, frame: tuple[int, bytes]) -> None:
    try:
        report = codec.decode(*frame)
    except CodecFaultError:
        raise
    except CodecError:
        return
    assert is_storable(report)


def echo(name: str, payload: bytes) -> bytes | None:
    """What the display itself reports after it was sent this; None where it tells nothing of it."""
    match name:
        case "kuando_busylight" if len(payload) in {5, 6}:
            return bytes(16) + payload[:5] + bytes(3)
        case "heltec_sign":
            return b"\x00\x01" + payload[:1]
        case "generic_rgb" | "milesight_ds3604":
            return payload
    return None


BYTE = st.integers(0, 255)
COMMANDS: st.SearchStrategy[DisplayCommand] = st.one_of(
    st.builds(ShowColour, BYTE, BYTE, BYTE, BYTE, st.one_of(st.just(0), BYTE), st.booleans()),
    st.builds(ShowState, st.sampled_from(["free", "occupied", "reserved", "maintenance", "unknown"])),
    st.builds(ShowCount, st.one_of(BYTE, st.integers())),
    st.builds(ShowText, st.text(max_size=80), st.integers(-1, 12)),
    st.builds(SendRaw, st.binary(min_size=1, max_size=40).map(bytes.hex)),
    st.from_type(DisplayCommand),
)


@pytest.mark.parametrize("codec", DISPLAYS, ids=lambda codec: codec.name)
@given(command=COMMANDS)
def test_display_reads_back_what_it_was_sent(codec: DisplayCodec, command: DisplayCommand) -> None:
    try:
        downlink = codec.encode(command)
    except CodecFaultError:
        raise
    except CodecError:
        return
    told = echo(codec.name, downlink.payload)
    assume(told is not None)
    try:
        report = codec.decode(downlink.f_port, told or b"")
    except CodecError:
        assert isinstance(command, SendRaw), "a display must understand what its own encoder made"
        return
    assert codec.shows(command, report) is not False


@pytest.mark.parametrize("codec", DISPLAYS, ids=lambda codec: codec.name)
@given(command=COMMANDS, frame=FRAME)
def test_whether_a_command_is_shown_is_answered_or_the_codecs_error(
    codec: DisplayCodec, command: DisplayCommand, frame: tuple[int, bytes]
) -> None:
    try:
        report = codec.decode(*frame)
    except CodecError:
        report = DisplayReport(kind="report")
    try:
        assert codec.shows(command, report) in {True, False, None}
    except CodecFaultError:
        raise
    except CodecError:
        return


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=10),
    st.sampled_from(["free", "occupied", "1"]),
)
DECODED = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["a", "b", "0", "c d"]), inner, max_size=4)
    ),
    max_leaves=12,
)
PATH = st.lists(st.sampled_from(["a", "b", "0", "1", "c d"]), min_size=1, max_size=4).map(".".join)
UNITS: dict[str, Any] = {
    "battery_unit": ["volts", "millivolts", "percent"],
    "temperature_unit": ["celsius", "fahrenheit"],
}


@given(
    decoded=DECODED,
    paths=st.tuples(PATH, st.none() | PATH, st.none() | PATH),
    units=st.fixed_dictionaries({name: st.sampled_from(choices) for name, choices in UNITS.items()}),
    values=st.tuples(*(st.lists(LEAVES, min_size=1, max_size=3) for _ in range(2))),
)
def test_any_object_by_any_mapping_is_a_reading_or_the_codecs_error(
    decoded: Any, paths: tuple[Any, ...], units: dict[str, str], values: tuple[list[Any], list[Any]]
) -> None:
    settings = {"occupied_path": paths[0], "battery_path": paths[1], "temperature_path": paths[2], **units}
    settings |= {"occupied_values": values[0], "free_values": values[1]}
    try:
        mapping = msgspec.convert(settings, ObjectMapping)
        read = mapping.decode(decoded)
    except (CodecError, msgspec.ValidationError):
        return
    assert isinstance(read, Observation)
    assert type(read.occupied) is bool
    for value in (read.battery_volts, read.battery_percent, read.temperature_celsius):
        assert value is None or math.isfinite(value)
