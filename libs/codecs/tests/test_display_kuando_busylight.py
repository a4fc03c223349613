"""Kuando Busylight, both ways. Vectors: TheThingsNetwork/lorawan-devices vendor/plenom (the 24-byte report, green);
Plenom "kuando IoT Busylight" technical documentation 3.1 and reports of installed lights (the rest).
"""

import msgspec
import pytest

from parking_codecs import (
    CodecError,
    Colour,
    DisplayCommand,
    DisplayReport,
    RequestReport,
    SendRaw,
    SetAutomaticReply,
    SetReportInterval,
    ShowColour,
    ShowCount,
    ShowState,
)
from parking_codecs.kuando_busylight import CODEC

DOWNLINKS: list[tuple[DisplayCommand, str]] = [
    (ShowColour(0, 255, 0), "0000ffff00"),
    (ShowColour(255, 0, 0), "ff0000ff00"),
    (ShowColour(255, 255, 0), "ff00ffff00"),
    (ShowColour(255, 50, 0), "ff0032ff00"),
    (ShowColour(0, 0, 255, 100, 100), "00ff006464"),
    (ShowColour(0, 255, 0, request_report=True), "0000ffff0001"),
    (SetReportInterval(15), "040f"),
    (RequestReport(), "0501"),
    (SetAutomaticReply(enabled=True), "0601"),
    (SetAutomaticReply(enabled=False), "0600"),
    (SendRaw("0000ffff00"), "0000ffff00"),
    (SendRaw("00:00:ff ff:00"), "0000ffff00"),
    (SendRaw("AAD//wA=", encoding="base64"), "0000ffff00"),
]
REFUSED_COMMANDS: list[tuple[DisplayCommand, str]] = [
    (ShowColour(256, 0, 0), "expected red from 0 to 255, not 256"),
    (ShowColour(0, -1, 0), "green"),
    (ShowColour(0, 0, 0, off_centiseconds=300), "off time"),
    (SetReportInterval(0), "from 1 to 255"),
    (SetReportInterval(256), "from 1 to 255"),
    (ShowState("free"), "no 'state' command"),
    (ShowCount(5), "no 'count' command"),
    (SendRaw("xyz"), "not hex"),
    (SendRaw("abc"), "not hex"),
    (SendRaw("é"), "not hex"),
    (SendRaw("a", encoding="base64"), "not base64"),
    (SendRaw("é", encoding="base64"), "not base64"),
    (SendRaw(""), "expected 1 to 242 bytes"),
    (SendRaw("00" * 243), "expected 1 to 242 bytes"),
    (SendRaw("00", f_port=0), "fPort from 1 to 223"),
    (SendRaw("00", f_port=257), "fPort from 1 to 223"),
]
REPORTS = [
    (
        "d0ffffff1e00000008000000060000000000ffff00290c01",
        Colour(0, 255, 0, 255, 0),
        {
            "rssi_dbm": -48,
            "snr_db": 30,
            "downlinks_received": 8,
            "uplinks_sent": 6,
            "software_revision": 41,
            "hardware_revision": 12,
            "adaptive_data_rate": 1,
        },
    ),
    (
        "c4ffffff210000000400000003000000999900ff00440f0101",
        Colour(153, 0, 153, 255, 0),
        {
            "rssi_dbm": -60,
            "snr_db": 33,
            "downlinks_received": 4,
            "uplinks_sent": 3,
            "software_revision": 68,
            "hardware_revision": 15,
            "adaptive_data_rate": 1,
            "heartbeat": 1,
        },
    ),
]


@pytest.mark.parametrize(("command", "payload"), DOWNLINKS)
def test_command_becomes_documented_bytes(command: DisplayCommand, payload: str) -> None:
    downlink = CODEC.encode(command)
    assert (downlink.f_port, downlink.payload.hex()) == (15, payload)


@pytest.mark.parametrize(("command", "reason"), REFUSED_COMMANDS)
def test_other_command_is_refused_with_reason(command: DisplayCommand, reason: str) -> None:
    with pytest.raises(CodecError, match=reason):
        CODEC.encode(command)


@pytest.mark.parametrize(("payload", "colour", "attributes"), REPORTS)
def test_published_report_is_read(payload: str, colour: Colour, attributes: dict[str, int]) -> None:
    expected = DisplayReport(kind="report", colour=colour, attributes=attributes)
    assert CODEC.decode(15, bytes.fromhex(payload)) == expected


@pytest.mark.parametrize("payload", ["", "00" * 23, "00" * 26, "0000ffff00"])
def test_report_of_another_length_is_refused(payload: str) -> None:
    with pytest.raises(CodecError):
        CODEC.decode(15, bytes.fromhex(payload))


def test_report_is_compared_with_what_should_be_shown() -> None:
    green = CODEC.decode(15, bytes.fromhex(REPORTS[0][0]))
    assert CODEC.shows(ShowColour(0, 255, 0), green) is True
    assert CODEC.shows(ShowColour(0, 255, 0, request_report=True), green) is True
    assert CODEC.shows(ShowColour(0, 255, 0, 50, 50), green) is False
    assert CODEC.shows(ShowColour(255, 0, 0), green) is False
    assert CODEC.shows(SendRaw("0000ffff00"), green) is True
    assert CODEC.shows(SendRaw("0000ffff00", f_port=20), green) is None
    assert CODEC.shows(RequestReport(), green) is None


def test_raw_command_keeps_its_own_port() -> None:
    assert CODEC.encode(SendRaw("ff", f_port=223)).f_port == 223


@pytest.mark.parametrize(("command", "payload"), DOWNLINKS)
def test_command_survives_json(command: DisplayCommand, payload: str) -> None:
    decoded = msgspec.json.decode(msgspec.json.encode(command), type=DisplayCommand)
    assert decoded == command
    assert CODEC.encode(decoded).payload.hex() == payload
