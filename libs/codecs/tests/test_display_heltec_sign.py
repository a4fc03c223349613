"""Heltec class C sign, both ways. Vectors: cpaumelle/class-c-heltec-lora-v3, PAYLOAD_PROTOCOL.md 1.1."""

import pytest

from parking_codecs import CodecError, DisplayCommand, DisplayReport, SendRaw, ShowColour, ShowCount, ShowState
from parking_codecs.heltec_sign import CODEC

DOWNLINKS: list[tuple[DisplayCommand, str]] = [
    (ShowState("free"), "01"),
    (ShowState("occupied"), "02"),
    (ShowState("reserved"), "03"),
    (ShowState("maintenance"), "04"),
    (ShowState("unknown"), "04"),
    (ShowCount(5), "35"),
    (ShowCount(24), "3234"),
    (ShowCount(156), "313536"),
    (ShowCount(0), "30"),
    (ShowCount(9999), "39393939"),
    (SendRaw("01"), "01"),
    (SendRaw("MjQ=", encoding="base64"), "3234"),
]
REFUSED_COMMANDS: list[tuple[DisplayCommand, str]] = [
    (ShowCount(-1), "from 0 to 9999"),
    (ShowCount(10_000), "from 0 to 9999"),
    (ShowColour(255, 0, 0), "no 'colour' command"),
    (ShowState("full"), "expected one of"),  # type: ignore[arg-type]  what JSON validation would have refused
    (SendRaw("zz"), "not hex"),
]
REPORTS = [
    ("000502", DisplayReport(kind="report", state="occupied", attributes={"uplink_counter": 5, "last_byte": 2})),
    (
        "012c32",
        DisplayReport(kind="report", attributes={"uplink_counter": 300, "last_byte": 0x32, "first_digit": 2}),
    ),
    ("000000", DisplayReport(kind="report", attributes={"uplink_counter": 0, "last_byte": 0})),
    (
        "ffff04",
        DisplayReport(kind="report", state="unknown", attributes={"uplink_counter": 65535, "last_byte": 4}),
    ),
    ("ffc3", DisplayReport(kind="activation")),
]


@pytest.mark.parametrize(("command", "payload"), DOWNLINKS)
def test_command_becomes_documented_bytes(command: DisplayCommand, payload: str) -> None:
    downlink = CODEC.encode(command)
    assert (downlink.f_port, downlink.payload.hex()) == (1, payload)


@pytest.mark.parametrize(("command", "reason"), REFUSED_COMMANDS)
def test_other_command_is_refused_with_reason(command: DisplayCommand, reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        CODEC.encode(command)


@pytest.mark.parametrize(("payload", "expected"), REPORTS)
def test_published_report_is_read(payload: str, expected: DisplayReport) -> None:
    assert CODEC.decode(1, bytes.fromhex(payload)) == expected


@pytest.mark.parametrize(("f_port", "payload"), [(1, ""), (1, "00"), (1, "ffc4"), (1, "00050200"), (2, "000502")])
def test_other_frame_is_refused(f_port: int, payload: str) -> None:
    with pytest.raises(CodecError):
        CODEC.decode(f_port, bytes.fromhex(payload))


@pytest.mark.parametrize(
    ("command", "payload", "answer"),
    [
        (ShowState("occupied"), "000502", True),
        (ShowState("free"), "000502", False),
        (ShowState("maintenance"), "000504", True),
        (ShowState("unknown"), "000500", False),
        (ShowState("free"), "ffc3", False),
        (ShowCount(24), "000532", None),
        (ShowCount(24), "000533", False),
        (ShowCount(2), "000532", None),
        (SendRaw("01", f_port=9), "000501", None),
    ],
)
def test_report_is_compared_with_what_should_be_shown(
    command: DisplayCommand, payload: str, answer: bool | None
) -> None:
    assert CODEC.shows(command, CODEC.decode(1, bytes.fromhex(payload))) is answer
