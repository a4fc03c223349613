"""Milesight DS3604 e-paper sign: texts instead of colours.

fPort 85; a row of elements both ways: channel, type, value, little endian. A place is one byte: bits 7-6 the template
(0 or 1), bits 5-0 the block (0-9 its ten texts, 10 the QR code).

| channel type | bytes | down | up |
|---|---|---|---|
| fb 01 | place, length, UTF-8 | `fb0100054d696c6573` writes "Miles" as text 1 of template 1 | what stands there |
| ff 3d | 1 | 02 refreshes the screen: until then a text that was written is not seen | the same, as an answer |
| fa 01 | place, result | | 0 written, 1 no such template, 2 no such block, 3 bad length, 4 not editable |
| ff 28 | 1 | 03 asks for the texts | the same, as an answer |
| ff 03 | 2 | report interval in seconds, `ff03b004` is 20 min | the same, as an answer |
| ff 73 | 1 | template on the screen, from 0 | the same |
| 01 75 | 1 | | battery, % |
| ff 2e | 1 | | button |
| ff 01, 09, 0a, 0b, 0f, 16 | 1, 2, 2, 1, 1, 8 | | after a join: versions, power on, class, serial number |

A state is shown as a word in text 1 of template 1. The report of every 18 h tells battery and template alone, so it
neither proves nor disproves a text; the answer to a write does only when it failed. E-paper keeps its picture over a
join. Sources: Milesight-IoT/SensorDecoders DS_Series/DS3604; DS3604 user guide, 5.1 to 5.4.
"""

from __future__ import annotations

from typing import Final

from parking_codecs.codec import CodecError, Scalar
from parking_codecs.display import (
    DisplayCodec,
    DisplayCommand,
    DisplayReport,
    DisplayState,
    Downlink,
    RequestReport,
    SendRaw,
    SetReportInterval,
    ShowCount,
    ShowState,
    ShowText,
    cannot,
    raw_downlink,
)
from parking_codecs.frame import expect_application_port

F_PORT: Final = 85
LONGEST_TEXT_BYTES: Final = 200
LONGEST_INTERVAL_MINUTES: Final = 1092
REFRESH: Final = b"\xff\x3d\x02"
WORDS: Final[dict[DisplayState, str]] = {
    "free": "FREE",
    "occupied": "OCCUPIED",
    "reserved": "RESERVED",
    "maintenance": "CLOSED",
    "unknown": "UNKNOWN",
}
_STATES: Final = {word: state for state, word in WORDS.items()}
_TEXTS, _QR_CODE = 10, 10
_FIRST_TEXT: Final = "template_1_text_1"
_RESULTS: Final = {0: "written", 1: "no_such_template", 2: "no_such_block", 3: "bad_length", 4: "not_editable"}
_FIXED_BYTES: Final = {
    (0x01, 0x75): 1,
    (0xFA, 0x01): 2,
    (0xFA, 0x02): 2,
    (0xFA, 0x03): 2,
    **{(0xFF, kind): 1 for kind in (0x01, 0x0B, 0x0F, 0x2E, 0x73)},
    **{(0xFF, kind): length for kind, length in ((0x09, 2), (0x0A, 2), (0x16, 8))},
    # Answers to settings come on both channels.
    **{
        (channel, kind): length
        for channel in (0xFE, 0xFF)
        for kind, length in ((0x03, 2), (0x89, 3), *((one, 1) for one in (0x10, 0x25, 0x27, 0x28, 0x3D, 0x3E)))
    },
    **{(channel, kind): 1 for channel in (0xFE, 0xFF) for kind in (0x66, 0x82, 0x90)},
}

Elements = list[tuple[int, int, bytes]]


class MilesightDs3604(DisplayCodec):
    """Both directions of the sign; see the module for the elements."""

    name = "milesight_ds3604"
    profile_names = ("Milesight DS3604", "DS3604")

    def encode(self, command: DisplayCommand) -> Downlink:
        """Encode a state, a count, a text of one of ten lines, an interval or raw bytes."""
        match command:
            case ShowState(state=state):
                if state not in WORDS:
                    raise CodecError(f"expected one of {', '.join(WORDS)}, not {state!r}")
                return _write(WORDS[state], 1)
            case ShowCount(count=count):
                if count < 0:
                    raise CodecError(f"expected a count from 0 on, not {count}")
                return _write(str(count), 1)
            case ShowText(text=text, line=line):
                return _write(text, line)
            case RequestReport():
                return Downlink(F_PORT, b"\xff\x28\x03")
            case SetReportInterval(minutes=minutes):
                if not 1 <= minutes <= LONGEST_INTERVAL_MINUTES:
                    raise CodecError(
                        f"expected a report interval in minutes from 1 to {LONGEST_INTERVAL_MINUTES}, not {minutes}"
                    )
                return Downlink(F_PORT, b"\xff\x03" + (minutes * 60).to_bytes(2, "little"))
            case SendRaw():
                return raw_downlink(command, F_PORT)
        raise cannot(self.name, command, "state, count, text, report_now, report_interval, raw")

    def decode(self, f_port: int, payload: bytes) -> DisplayReport:
        """Read the elements in order; an unknown or cut-short one is a `CodecError`."""
        expect_application_port(f_port, payload)
        attributes: dict[str, Scalar] = {}
        for channel, kind, value in _elements(f_port, payload):
            attributes |= _told(channel, kind, value)
        return DisplayReport(kind="report", state=_STATES.get(str(attributes.get(_FIRST_TEXT))), attributes=attributes)

    def shows(self, command: DisplayCommand, report: DisplayReport) -> bool | None:
        """Compare the texts of the command with those of the report; a failed write disproves, a done one is silent."""
        downlink = self.encode(command)
        try:
            wanted = self.decode(F_PORT, downlink.payload).attributes if downlink.f_port == F_PORT else {}
        except CodecError:
            return None
        texts = {name: text for name, text in wanted.items() if name.startswith("template_")}
        if not texts:
            return None
        if any(report.attributes.get(f"{name}_result", "written") != "written" for name in texts):
            return False
        told = {name: report.attributes[name] for name in texts if name in report.attributes}
        if any(told[name] != texts[name] for name in told):
            return False
        return True if len(told) == len(texts) else None


def _write(text: str, line: int) -> Downlink:
    """Text of template 1 on line 1 to 10, and the refresh that makes it seen."""
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise CodecError(f"no text of Unicode: {text[:40]!r}") from None
    if b"\0" in encoded:
        raise CodecError("a text cannot hold the character NUL")
    if not 1 <= len(encoded) <= LONGEST_TEXT_BYTES:
        raise CodecError(f"expected a text of 1 to {LONGEST_TEXT_BYTES} bytes, not {len(encoded)}")
    if not 1 <= line <= _TEXTS:
        raise CodecError(f"expected a line from 1 to {_TEXTS}, not {line}")
    return Downlink(F_PORT, bytes([0xFB, 0x01, line - 1, len(encoded)]) + encoded + REFRESH)


def _elements(f_port: int, payload: bytes) -> Elements:
    found: Elements = []
    place = 0
    while place < len(payload):
        head, start = payload[place : place + 2], place + 2
        if len(head) < 2:
            raise CodecError("an element is cut short", f_port=f_port, length=len(payload))
        channel, kind = head
        if (channel, kind) == (0xFB, 0x01):
            length = 2 + (payload[start + 1] if start + 1 < len(payload) else 0)
        elif (channel, kind) in _FIXED_BYTES:
            length = _FIXED_BYTES[channel, kind]
        else:
            raise CodecError(f"unknown element {head.hex()}", f_port=f_port, length=len(payload))
        value = payload[start : start + length]
        if len(value) < length:
            raise CodecError(f"element {head.hex()} is cut short", f_port=f_port, length=len(payload))
        found.append((channel, kind, value))
        place = start + length
    return found


def _told(channel: int, kind: int, value: bytes) -> dict[str, Scalar]:
    """The attributes of one element; settings that were answered are not worth keeping."""
    if (channel, kind) == (0x01, 0x75):
        return {"battery_percent": value[0]}
    if (channel, kind) == (0xFB, 0x01):
        return {_block(value[0]): value[2:].decode("utf-8", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")}
    if (channel, kind) == (0xFA, 0x01):
        return {f"{_block(value[0])}_result": _RESULTS.get(value[1], "unknown")}
    if (channel, kind) == (0xFF, 0x73):
        return {"template": value[0] + 1}
    if (channel, kind) == (0xFF, 0x2E):
        return {"button": value[0]}
    if (channel, kind) == (0xFF, 0x0B):
        return {"power_on": True}
    return {}


def _block(place: int) -> str:
    block = place & 0x3F
    name = f"text_{block + 1}" if block < _TEXTS else "qrcode" if block == _QR_CODE else f"block_{block}"
    return f"template_{(place >> 6) + 1}_{name}"


CODEC = MilesightDs3604()
