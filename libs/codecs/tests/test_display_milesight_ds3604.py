"""Milesight DS3604, both ways. Vectors: DS3604 user guide, 5.1 to 5.4; Milesight-IoT/SensorDecoders, DS3604."""

import pytest

from parking_codecs import (
    CodecError,
    DisplayCommand,
    RequestReport,
    SendRaw,
    SetReportInterval,
    ShowColour,
    ShowCount,
    ShowState,
    ShowText,
)
from parking_codecs.milesight_ds3604 import CODEC

MILES = "fb0100054d696c6573"
DOWNLINKS: list[tuple[DisplayCommand, str]] = [
    (ShowText("test"), "fb01000474657374ff3d02"),
    (ShowText("Miles"), MILES + "ff3d02"),
    (SendRaw(MILES), MILES),
    (ShowText("10€", line=3), "fb0102053130e282acff3d02"),
    (ShowState("free"), "fb010004" + b"FREE".hex() + "ff3d02"),
    (ShowState("occupied"), "fb010008" + b"OCCUPIED".hex() + "ff3d02"),
    (ShowState("maintenance"), "fb010006" + b"CLOSED".hex() + "ff3d02"),
    (ShowCount(24), "fb0100023234ff3d02"),
    (SetReportInterval(20), "ff03b004"),
    (RequestReport(), "ff2803"),
]
REPORTS = [
    (MILES, None, {"template_1_text_1": "Miles"}),
    (
        "017564fb0100054d696c6573fb010a0568656c6c6f",
        None,
        {"battery_percent": 100, "template_1_text_1": "Miles", "template_1_qrcode": "hello"},
    ),
    ("01755fff7301", None, {"battery_percent": 95, "template": 2}),
    ("ff0bffff0101ff166601c42255890001ff090100ff0a0101ff0f01", None, {"power_on": True}),
    ("fa010000ff3d02", None, {"template_1_text_1_result": "written"}),
    ("fa014103", None, {"template_2_text_2_result": "bad_length"}),
    ("ff2803fb010008" + b"OCCUPIED".hex(), "occupied", {"template_1_text_1": "OCCUPIED"}),
]


@pytest.mark.parametrize(("command", "payload"), DOWNLINKS)
def test_command_becomes_documented_bytes(command: DisplayCommand, payload: str) -> None:
    downlink = CODEC.encode(command)
    assert (downlink.f_port, downlink.payload.hex()) == (85, payload)


@pytest.mark.parametrize(("payload", "state", "attributes"), REPORTS)
def test_published_report_is_read(payload: str, state: str | None, attributes: dict[str, object]) -> None:
    report = CODEC.decode(85, bytes.fromhex(payload))
    assert (report.kind, report.colour, report.state, report.attributes) == ("report", None, state, attributes)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (ShowColour(255, 0, 0), "no 'colour' command"),
        (ShowText(""), "1 to 200 bytes"),
        (ShowText("é" * 101), "1 to 200 bytes"),
        (ShowText("A", line=11), "line from 1 to 10"),
        (ShowCount(-1), "from 0 on"),
        (SetReportInterval(1093), "1 to 1092"),
        (ShowState("full"), "expected one of"),  # type: ignore[arg-type]  what JSON validation would have refused
    ],
)
def test_other_command_is_refused_with_reason(command: DisplayCommand, reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        CODEC.encode(command)


@pytest.mark.parametrize("payload", ["", "01", "0175", "fb01", "fb010005", "fb0100054d69", "abcd00", "fb0200"])
def test_other_frame_is_refused(payload: str) -> None:
    with pytest.raises(CodecError):
        CODEC.decode(85, bytes.fromhex(payload))


@pytest.mark.parametrize(
    ("command", "payload", "answer"),
    [
        (ShowText("Miles"), MILES, True),
        (ShowText("Niles"), MILES, False),
        (SendRaw(MILES), MILES, True),
        (ShowState("free"), "fb010004" + b"FREE".hex(), True),
        (ShowState("free"), "01755fff7301", None),
        (ShowState("free"), "fa010000", None),
        (ShowState("free"), "fa010004", False),
        (ShowState("free"), "fa014104", None),
        (SendRaw("abcd"), MILES, None),
        (SendRaw(MILES, f_port=9), MILES, None),
        (RequestReport(), MILES, None),
    ],
)
def test_report_is_compared_with_what_should_be_shown(
    command: DisplayCommand, payload: str, answer: bool | None
) -> None:
    assert CODEC.shows(command, CODEC.decode(85, bytes.fromhex(payload))) is answer
