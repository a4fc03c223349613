"""A stranger's codec can raise, return and make anything: what leaves the registry is a reading or a `CodecError`."""

import math
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

import msgspec
import pytest

from parking_codecs import (
    CodecError,
    CodecFaultError,
    Colour,
    DisplayCodec,
    DisplayReport,
    Downlink,
    Observation,
    Registry,
    SensorCodec,
    ShowState,
)

FREE = ShowState("free")
REPORT = DisplayReport(kind="report")


class Mute(Exception):  # noqa: N818  what a stranger may call it
    def __str__(self) -> str:
        raise ValueError("no words either")


class Rude:
    def __repr__(self) -> str:
        raise OSError

    __str__ = __repr__


class Sensor:
    name, profile_names, dev_eui_prefixes, heartbeat_seconds = "strange", (), (), 60

    def __init__(self, act: Callable[..., Any]) -> None:
        self.decode = act


class Display:
    name, profile_names, dev_eui_prefixes = "strange", (), ()

    def __init__(self, act: Callable[..., Any]) -> None:
        self.encode = self.decode = self.shows = act


def sensor(act: Callable[..., Any]) -> SensorCodec:
    registry = Registry()
    registry.add(Sensor(act), "a test")
    assert registry.errors == []
    return registry.sensors["strange"]


def display(act: Callable[..., Any]) -> DisplayCodec:
    registry = Registry()
    registry.add(Display(act), "a test")
    assert registry.errors == []
    return registry.displays["strange"]


def raising(error: BaseException) -> Callable[..., Any]:
    def act(*_: object) -> None:
        raise error

    return act


def answering(answer: object) -> Callable[..., Any]:
    return lambda *_: answer


@pytest.mark.parametrize(
    "error",
    [
        OSError(5, "no disk"),
        TimeoutError("too late"),
        ConnectionResetError(),
        KeyError("x"),
        RecursionError(),
        MemoryError(),
        SystemExit(3),
        GeneratorExit(),
        CancelledError(),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        ValueError("a NUL \0 and half a pair \ud800"),
        Mute(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_codec_raises_is_its_own_fault(error: BaseException) -> None:
    strange = display(raising(error))
    for act in (
        lambda: sensor(raising(error)).decode(1, b"\x01"),
        lambda: strange.decode(1, b"\x01"),
        lambda: strange.encode(FREE),
        lambda: strange.shows(FREE, REPORT),
    ):
        with pytest.raises(CodecFaultError, match=f"'strange' failed: {type(error).__name__}") as caught:
            act()
        assert "\0" not in str(caught.value)
        assert str(caught.value).encode()


def test_its_own_error_and_the_end_of_the_service_pass() -> None:
    with pytest.raises(CodecError, match="not mine") as caught:
        sensor(raising(CodecError("not mine"))).decode(1, b"\x01")
    assert not isinstance(caught.value, CodecFaultError)
    with pytest.raises(KeyboardInterrupt):
        sensor(raising(KeyboardInterrupt())).decode(1, b"\x01")


@pytest.mark.parametrize(
    "answer",
    [
        None,
        True,
        {"occupied": True},
        Rude(),
        Observation,
        Observation(kind="unheard of"),  # type: ignore[arg-type]  what a stranger does
        Observation(kind=["change"]),  # type: ignore[arg-type]  what a stranger does
        Observation(kind=Rude()),  # type: ignore[arg-type]  what a stranger does
        Observation(kind="change", occupied=1),  # type: ignore[arg-type]  what a stranger does
        Observation(kind="change", occupied="yes"),  # type: ignore[arg-type]  what a stranger does
        Observation(kind="change", battery_volts="3.6"),  # type: ignore[arg-type]  what a stranger does
        Observation(kind="change", battery_percent=True),
        Observation(kind="change", temperature_celsius=1j),  # type: ignore[arg-type]  what a stranger does
        *(
            Observation(kind="change", attributes=attributes)
            for attributes in (
                None,
                [],
                {1: 2},
                {Rude(): 1},
                {"\0": 1},
                {"a": Rude()},
                {"a": None},
                {"a": b"bytes"},
                {"a": [1]},
                {"a": math.nan},
                {"a": math.inf},
                {"a": 10**400},
                {"a": "\0"},
                {"a": "\ud800"},
                {"a": "x" * 1025},
                {f"a{number}": number for number in range(257)},
            )
        ),
    ],
)
def test_no_answer_that_cannot_be_stored_gets_through(answer: object) -> None:
    with pytest.raises(CodecFaultError, match="'strange' is at fault"):
        sensor(answering(answer)).decode(1, b"\x01")


def test_measurement_that_cannot_be_is_left_away_and_the_state_counts() -> None:
    impossible = (math.nan, math.inf, -math.inf, 1e300, 10**400, -300)
    for value in impossible:
        noise = Observation(kind="change", occupied=True, battery_volts=value, temperature_celsius=value)
        assert sensor(answering(noise)).decode(1, b"\x01") == Observation(kind="change", occupied=True)
    assert sensor(answering(Observation(kind="change", battery_percent=255.0))).decode(1, b"\x01") == Observation(
        kind="change"
    )
    whole = sensor(answering(Observation(kind="change", battery_volts=3, temperature_celsius=-40.5))).decode(1, b"\x01")
    assert (whole.battery_volts, whole.temperature_celsius, type(whole.battery_volts)) == (3.0, -40.5, float)


def test_frame_longer_than_any_is_refused_before_a_codec_sees_it() -> None:
    seen: list[bytes] = []
    with pytest.raises(CodecError, match="more than 242 bytes"):
        sensor(lambda _, payload: seen.append(payload)).decode(1, b"x" * 243)
    with pytest.raises(CodecError, match="more than 242 bytes"):
        display(lambda _, payload: seen.append(payload)).decode(1, b"x" * (1 << 20))
    assert seen == []


@pytest.mark.parametrize(
    "made",
    [None, b"\x01", (1, b"\x01"), Downlink(True, b"\x01"), Downlink(1, "01"), Downlink(1.0, b"\x01")],  # type: ignore[arg-type]  what a stranger does
    ids=repr,
)
def test_no_downlink_is_made_of_something_else(made: object) -> None:
    with pytest.raises(CodecFaultError, match="and no Downlink"):
        display(answering(made)).encode(FREE)


@pytest.mark.parametrize("made", [Downlink(257, b"1"), Downlink(0, b"1"), Downlink(1, b""), Downlink(1, b"x" * 243)])
def test_downlink_that_no_network_server_would_take_is_not_made(made: Downlink) -> None:
    with pytest.raises(CodecFaultError, match="cannot be sent"):
        display(answering(made)).encode(FREE)


@pytest.mark.parametrize(
    "report",
    [
        None,
        Observation(kind="other"),
        Rude(),
        msgspec.structs.replace(REPORT, kind="other"),
        msgspec.structs.replace(REPORT, kind=Rude()),
        msgspec.structs.replace(REPORT, state="broken"),
        msgspec.structs.replace(REPORT, state=Rude()),
        msgspec.structs.replace(REPORT, colour=(0, 0, 0)),
        msgspec.structs.replace(REPORT, colour=Colour(256, 0, 0)),
        msgspec.structs.replace(REPORT, colour=Colour(True, 0, 0)),
        msgspec.structs.replace(REPORT, attributes={"text": "\0"}),
    ],
    ids=lambda report: type(report).__name__,
)
def test_no_report_that_cannot_be_gets_through(report: object) -> None:
    with pytest.raises(CodecFaultError, match="'strange' is at fault"):
        display(answering(report)).decode(1, b"\x01")


def test_only_yes_no_or_unknown_says_whether_a_command_is_shown() -> None:
    assert [display(answering(answer)).shows(FREE, REPORT) for answer in (True, False, None)] == [True, False, None]
    with pytest.raises(CodecFaultError, match="true, false or None"):
        display(answering("yes")).shows(FREE, REPORT)
