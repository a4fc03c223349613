"""Generic three-byte RGB light, both ways; its module is the specification."""

import pytest

from parking_codecs import (
    CodecError,
    Colour,
    DisplayCommand,
    DisplayReport,
    RequestReport,
    SendRaw,
    ShowColour,
    ShowState,
)
from parking_codecs.generic_rgb import CODEC, GenericRgb


@pytest.mark.parametrize(
    ("command", "payload"),
    [
        (ShowColour(0, 255, 0), "00ff00"),
        (ShowColour(255, 165, 0), "ffa500"),
        (SendRaw("0000ff"), "0000ff"),
        (SendRaw("AAD/", encoding="base64"), "0000ff"),
    ],
)
def test_command_becomes_three_bytes(command: DisplayCommand, payload: str) -> None:
    downlink = CODEC.encode(command)
    assert (downlink.f_port, downlink.payload.hex()) == (1, payload)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (ShowColour(0, 0, 256), "expected blue"),
        (ShowColour(255, 0, 0, 50, 50), "blink"),
        (ShowColour(255, 0, 0, request_report=True), "report"),
        (ShowState("free"), "no 'state' command"),
        (RequestReport(), "no 'report_now' command"),
    ],
)
def test_other_command_is_refused_with_reason(command: DisplayCommand, reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        CODEC.encode(command)


def test_report_repeats_the_shown_colour() -> None:
    report = CODEC.decode(1, bytes.fromhex("ffa500"))
    assert report == DisplayReport(kind="report", colour=Colour(255, 165, 0))
    assert CODEC.shows(ShowColour(255, 165, 0), report) is True
    assert CODEC.shows(ShowColour(255, 0, 0), report) is False
    assert CODEC.shows(SendRaw("ff"), report) is None


@pytest.mark.parametrize(("f_port", "payload"), [(1, ""), (1, "ffa5"), (1, "ffa50000"), (2, "ffa500")])
def test_other_frame_is_refused(f_port: int, payload: str) -> None:
    with pytest.raises(CodecError):
        CODEC.decode(f_port, bytes.fromhex(payload))


def test_build_on_another_port_is_its_own_codec() -> None:
    lamp = GenericRgb(f_port=10, name="my_rgb", profile_names=("My RGB",))
    assert lamp.encode(ShowColour(1, 2, 3)).f_port == 10
    assert lamp.decode(10, b"\x01\x02\x03").colour == Colour(1, 2, 3)
    assert (lamp.name, CODEC.name) == ("my_rgb", "generic_rgb")
