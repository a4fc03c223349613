"""Every documented byte vector of a display, both ways: the codec writes and reads it, the simulated display obeys it.

Sources stand in the modules of `parking_codecs`.
"""

from typing import Any

import pytest

from parking_codecs import DisplayCodec, heltec_sign, kuando_busylight, milesight_ds3604
from parking_codecs.display import (
    Colour,
    DisplayCommand,
    RequestReport,
    SetAutomaticReply,
    SetReportInterval,
    ShowColour,
    ShowCount,
    ShowState,
    ShowText,
)
from parking_simulator.chirpstack.displays import Busylight, EpaperSign, HeltecSign, SimulatedDisplay
from parking_simulator.sensors import Payload

KUANDO, HELTEC, MILESIGHT = kuando_busylight.CODEC, heltec_sign.CODEC, milesight_ds3604.CODEC
GREEN = Colour(0, 255, 0)
# Codec, command, fPort and bytes, a display, and what it shows afterwards.
ORDERS: list[tuple[DisplayCodec, DisplayCommand, int, str, type[SimulatedDisplay], Any]] = [
    (KUANDO, ShowColour(0, 255, 0), 15, "0000ffff00", Busylight, GREEN),
    (KUANDO, ShowColour(255, 0, 0), 15, "ff0000ff00", Busylight, Colour(255, 0, 0)),
    (KUANDO, ShowColour(255, 255, 0), 15, "ff00ffff00", Busylight, Colour(255, 255, 0)),
    (KUANDO, ShowColour(255, 50, 0), 15, "ff0032ff00", Busylight, Colour(255, 50, 0)),
    (KUANDO, ShowColour(0, 0, 255, 100, 100), 15, "00ff006464", Busylight, Colour(0, 0, 255, 100, 100)),
    (KUANDO, ShowColour(255, 0, 0, request_report=True), 15, "ff0000ff0001", Busylight, Colour(255, 0, 0)),
    (KUANDO, SetReportInterval(15), 15, "040f", Busylight, GREEN),
    (KUANDO, RequestReport(), 15, "0501", Busylight, GREEN),
    (KUANDO, SetAutomaticReply(enabled=True), 15, "0601", Busylight, GREEN),
    (HELTEC, ShowState("free"), 1, "01", HeltecSign, "AVAILABLE"),
    (HELTEC, ShowState("occupied"), 1, "02", HeltecSign, "OCCUPIED"),
    (HELTEC, ShowState("reserved"), 1, "03", HeltecSign, "RESERVED"),
    (HELTEC, ShowState("unknown"), 1, "04", HeltecSign, "UNKNOWN"),
    (HELTEC, ShowCount(24), 1, "3234", HeltecSign, "24"),
    (MILESIGHT, ShowText("Miles"), 85, "fb0100054d696c6573ff3d02", EpaperSign, "Miles"),
    (MILESIGHT, ShowText("test"), 85, "fb01000474657374ff3d02", EpaperSign, "test"),
]


@pytest.mark.parametrize(("codec", "command", "f_port", "sent", "family", "shown"), ORDERS)
def test_an_order_is_written_as_documented_and_obeyed(
    codec: DisplayCodec, command: DisplayCommand, f_port: int, sent: str, family: type[SimulatedDisplay], shown: Any
) -> None:
    downlink = codec.encode(command)
    assert (downlink.f_port, downlink.payload.hex()) == (f_port, sent)
    display = family()
    display.hear(Payload(f_port, bytes.fromhex(sent)))
    assert display.shows == shown


def test_the_busylights_report_is_said_and_read_as_documented() -> None:
    light = Busylight()
    light.tamper(Colour(153, 0, 153))
    light.received, light.sent = 4, 3
    (said,) = light.report()
    assert said.data.hex() == "c4ffffff210000000400000003000000999900ff00440f0101"
    read = KUANDO.decode(*said)
    assert read.colour == Colour(153, 0, 153, 255, 0)
    told = [read.attributes[name] for name in ("rssi_dbm", "snr_db", "downlinks_received", "uplinks_sent")]
    assert told == [-60, 33, 4, 3]
    assert (read.attributes["software_revision"], read.attributes["hardware_revision"]) == (68, 15)


def test_the_signs_reports_are_said_and_read_as_documented() -> None:
    sign = HeltecSign()
    (joined,) = sign.boot()
    assert (joined.data.hex(), HELTEC.decode(*joined).kind) == ("ffc3", "activation")
    sign.hear(Payload(1, b"\x02"))
    (said,) = [sign.report() for _ in range(4)][-1]
    assert said.data.hex() == "000502"
    read = HELTEC.decode(*said)
    assert (read.state, read.attributes["uplink_counter"]) == ("occupied", 5)


def test_the_epaper_signs_text_is_said_and_read_as_documented() -> None:
    sign = EpaperSign()
    text = bytes.fromhex("fb0100054d696c6573")
    assert MILESIGHT.decode(85, text).attributes == {"template_1_text_1": "Miles"}
    sign.hear(Payload(85, text))
    (said,) = sign.hear(Payload(85, b"\xff\x28\x03"))
    assert said.data == b"\xff\x28\x03" + text
