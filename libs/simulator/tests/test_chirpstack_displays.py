"""The simulated displays: obeying, answering, forgetting; their reports are what the codecs read."""

import pytest

from parking_codecs import load_registry
from parking_codecs.display import (
    Colour,
    DisplayCommand,
    RequestReport,
    SetAutomaticReply,
    SetReportInterval,
    ShowColour,
    ShowState,
)
from parking_simulator.chirpstack.displays import (
    FAMILIES,
    Busylight,
    EpaperSign,
    HeltecSign,
    RgbLight,
    SimulatedDisplay,
)
from parking_simulator.sensors import Payload

CODECS = load_registry().displays
RED, AMBER = Colour(255, 0, 0), Colour(255, 50, 0)


def test_every_codec_of_a_display_has_a_simulated_one() -> None:
    assert {family.codec for family in FAMILIES.values()} == set(CODECS)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_what_a_display_reports_its_codec_reads(family: type[SimulatedDisplay]) -> None:
    display = family()
    codec = CODECS[display.codec]
    assert display.profile_name in codec.profile_names
    for payload in [*display.boot(), *display.report()]:
        assert codec.decode(payload.f_port, payload.data).kind in ("report", "activation")


def order(display: SimulatedDisplay, command: DisplayCommand) -> list[Payload]:
    downlink = CODECS[display.codec].encode(command)
    return display.hear(Payload(downlink.f_port, downlink.payload))


def test_a_busylight_answers_when_asked_or_told_to_and_is_green_after_a_join() -> None:
    light = Busylight()
    assert order(light, ShowColour(255, 0, 0)) == []
    assert light.shows == RED
    (report,) = order(light, ShowColour(255, 50, 0, request_report=True))
    read = CODECS["kuando_busylight"].decode(*report)
    assert read.colour == light.shows == AMBER
    assert (read.attributes["downlinks_received"], read.attributes["snr_db"]) == (2, 33)
    assert len(order(light, RequestReport())) == 1
    assert len(order(light, SetAutomaticReply(enabled=True))) == 1
    assert len(order(light, ShowColour(0, 0, 255, 100, 100))) == 1
    assert light.shows == Colour(0, 0, 255, 100, 100)
    order(light, SetAutomaticReply(enabled=False))
    assert order(light, SetReportInterval(15)) == []
    assert light.report_seconds == 900
    light.boot()
    assert light.shows == Colour(0, 255, 0)


@pytest.mark.parametrize(("firmware", "length"), [(True, 25), (False, 24)])
def test_a_busylights_report_depends_on_its_firmware(firmware: bool, length: int) -> None:
    assert len(Busylight(new_firmware=firmware).report()[0].data) == length


def test_a_busylight_ignores_what_makes_no_sense() -> None:
    light = Busylight()
    for downlink in (Payload(14, b"\xff\x00\x00\xff\x00"), Payload(15, b"\xff"), Payload(15, b"")):
        assert light.hear(downlink) == []
    assert light.shows == Colour(0, 255, 0)


def test_a_sign_shows_words_and_digits_and_is_blank_after_a_join() -> None:
    sign = HeltecSign()
    assert sign.boot() == [Payload(1, b"\xff\xc3")]
    assert sign.shows == ""
    for data, shown in ((b"\x01", "AVAILABLE"), (b"\x03", "RESERVED"), (b"\x09", "UNKNOWN"), (b"24", "24")):
        assert sign.hear(Payload(1, data)) == []
        assert sign.shows == shown
    sign.tamper("OCCUPIED")
    for _ in range(3):
        sign.report()
    assert sign.report() == [Payload(1, b"\x00\x05\x02")]


def test_a_light_repeats_what_it_is_told() -> None:
    light = RgbLight()
    assert light.hear(Payload(1, b"\xff\x32\x00")) == [Payload(1, b"\xff\x32\x00")]
    assert light.shows == AMBER
    light.tamper(RED)
    assert light.report() == [Payload(1, b"\xff\x00\x00")]
    assert light.hear(Payload(2, b"\x00\x00\x00")) == []


def test_an_epaper_sign_answers_each_write_and_shows_it_once_refreshed() -> None:
    sign, codec = EpaperSign(), CODECS["milesight_ds3604"]
    assert sign.hear(Payload(85, bytes.fromhex("fb0100054d696c6573"))) == [Payload(85, b"\xfa\x01\x00\x00")]
    assert sign.shows == ""
    assert sign.hear(Payload(85, b"\xff\x3d\x02")) == [Payload(85, b"\xff\x3d\x02")]
    assert sign.shows == "Miles"
    assert sign.hear(Payload(85, b"\xfb\x01\xc0\x01A")) == [Payload(85, b"\xfa\x01\xc0\x01")]
    assert sign.hear(Payload(85, b"\xfb\x01\x00\x05A")) == []
    sign.boot()
    (told,) = order(sign, ShowState("occupied"))
    assert sign.shows == "OCCUPIED"
    assert codec.shows(ShowState("occupied"), codec.decode(*told)) is None
    (told,) = order(sign, RequestReport())
    assert codec.shows(ShowState("occupied"), codec.decode(*told)) is True
    sign.tamper("FREE")
    (told,) = order(sign, RequestReport())
    assert codec.shows(ShowState("occupied"), codec.decode(*told)) is False
    order(sign, SetReportInterval(20))
    assert sign.report_seconds == 1200
