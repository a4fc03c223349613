"""Heltec WiFi LoRa 32 V3 as a class C parking sign, with the public firmware cpaumelle/class-c-heltec-lora-v3.

Everything on fPort 1. Downlinks:

| bytes | meaning |
|---|---|
| 01, 02, 03 | the sign of one space shows AVAILABLE, OCCUPIED, RESERVED; any other byte UNKNOWN (04 is sent here) |
| ASCII digits, 1 to 4 | the counter of a zone: `3234` shows 24 |

Uplinks:

| bytes | meaning |
|---|---|
| counter_hi counter_lo last | every hour: uplinks since boot, first byte of the last downlink (00 = none since boot) |
| ff c3 | after a join: class C is active, nothing is shown yet |

04 and not 00 stands for unknown and maintenance, because 00 is also what a sign reports that was told nothing.
Source: PAYLOAD_PROTOCOL.md of that repository, version 1.1.
"""

from __future__ import annotations

from parking_codecs.codec import CodecError, Scalar
from parking_codecs.display import (
    DisplayCodec,
    DisplayCommand,
    DisplayReport,
    DisplayState,
    Downlink,
    SendRaw,
    ShowCount,
    ShowState,
    cannot,
    raw_downlink,
)
from parking_codecs.frame import expect_length, unknown_port, unsigned

F_PORT = 1
_SIGNS: dict[DisplayState, int] = {"free": 1, "occupied": 2, "reserved": 3, "maintenance": 4, "unknown": 4}
_STATES: dict[int, DisplayState] = {1: "free", 2: "occupied", 3: "reserved"}
_DIGITS = range(0x30, 0x3A)
_HIGHEST_COUNT = 9999


class HeltecSign(DisplayCodec):
    """Both directions of the sign; see the module for the bytes."""

    name = "heltec_sign"
    profile_names = ("Heltec Class C Sign", "Heltec V3 Class C Sign")
    dev_eui_prefixes = ("70b3d57ed006",)

    def encode(self, command: DisplayCommand) -> Downlink:
        """Encode a state, a count or raw bytes; the sign has no colours and no settings."""
        match command:
            case ShowState(state=state):
                if state not in _SIGNS:
                    raise CodecError(f"expected one of {', '.join(_SIGNS)}, not {state!r}")
                return Downlink(F_PORT, bytes([_SIGNS[state]]))
            case ShowCount(count=count):
                if not 0 <= count <= _HIGHEST_COUNT:
                    raise CodecError(f"expected a count from 0 to {_HIGHEST_COUNT}, not {count}")
                return Downlink(F_PORT, str(count).encode("ascii"))
            case SendRaw():
                return raw_downlink(command, F_PORT)
        raise cannot(self.name, command, "state, count, raw")

    def decode(self, f_port: int, payload: bytes) -> DisplayReport:
        """Read the hourly report of 3 bytes and the 2 bytes after a join."""
        if f_port != F_PORT:
            raise unknown_port(f_port, payload, "1")
        expect_length(f_port, payload, {2, 3})
        if len(payload) == 2:
            if payload != b"\xff\xc3":
                raise CodecError(f"expected ffc3 after a join, not {payload.hex()}", f_port=1, length=2)
            return DisplayReport(kind="activation")
        last = payload[2]
        attributes: dict[str, Scalar] = {"uplink_counter": unsigned(payload[:2]), "last_byte": last}
        if last in _DIGITS:
            attributes["first_digit"] = last - 0x30
        state = None if last == 0 or last in _DIGITS else _STATES.get(last, "unknown")
        return DisplayReport(kind="report", state=state, attributes=attributes)

    def shows(self, command: DisplayCommand, report: DisplayReport) -> bool | None:
        """Compare first bytes, all that the sign reports; a longer count can be disproved but not proved."""
        downlink = self.encode(command)
        if downlink.f_port != F_PORT:
            return None
        if report.kind == "activation" or report.attributes.get("last_byte") != downlink.payload[0]:
            return False
        return True if len(downlink.payload) == 1 and downlink.payload[0] not in _DIGITS else None


CODEC = HeltecSign()
