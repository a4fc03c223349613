"""Plenom Kuando Busylight IoT Omega (class C light).

Downlinks, fPort 15. Mind the order: red, BLUE, green.

| bytes | meaning |
|---|---|
| R B G on off | light up; on and off times in 1/100 s, off 0 = steady |
| R B G on off 01 | the same, and ask for an uplink |
| 04 minutes | report by itself every so many minutes |
| 05 01 | report now |
| 06 01, 06 00 | answer every downlink with an uplink, or not |

Uplink, 24 bytes, or 25 with newer firmware; the published decoders do not look at its port:

| offset | meaning |
|---|---|
| 0, 4 | int32 LE: RSSI in dBm, SNR in dB of the last downlink (30 and more is normal here) |
| 8, 12 | uint32 LE: downlinks received, uplinks sent |
| 16 | R B G on off, as last commanded |
| 21, 22, 23 | software revision, hardware revision, adaptive data rate |
| 24 | uplink interval or heartbeat flag of newer firmware |

After a join the light is green again, whatever it was told before. Sources: TheThingsNetwork/lorawan-devices
vendor/plenom; Plenom "kuando IoT Busylight" technical documentation 3.1.
"""

from __future__ import annotations

from parking_codecs.display import (
    Colour,
    DisplayCodec,
    DisplayCommand,
    DisplayReport,
    Downlink,
    RequestReport,
    SendRaw,
    SetAutomaticReply,
    SetReportInterval,
    ShowColour,
    byte_value,
    cannot,
    raw_downlink,
)
from parking_codecs.frame import expect_application_port, expect_length

F_PORT = 15


class KuandoBusylight(DisplayCodec):
    """Both directions of the Busylight; see the module for the bytes."""

    name = "kuando_busylight"
    profile_names = ("Kuando Busylight", "kuando Busylight IoT LoRaWAN Omega")
    dev_eui_prefixes = ("202020",)

    def encode(self, command: DisplayCommand) -> Downlink:
        """Encode colours, reports, intervals and raw bytes; a space's state needs a policy that maps it to a colour."""
        match command:
            case ShowColour():
                return Downlink(F_PORT, _light(command))
            case SetReportInterval(minutes=minutes):
                return Downlink(F_PORT, bytes([0x04, byte_value("report interval in minutes", minutes, lowest=1)]))
            case RequestReport():
                return Downlink(F_PORT, b"\x05\x01")
            case SetAutomaticReply(enabled=enabled):
                return Downlink(F_PORT, bytes([0x06, enabled]))
            case SendRaw():
                return raw_downlink(command, F_PORT)
        raise cannot(self.name, command, "colour, report_interval, report_now, automatic_reply, raw")

    def decode(self, f_port: int, payload: bytes) -> DisplayReport:
        """Read the report of 24 or 25 bytes."""
        expect_application_port(f_port, payload)
        expect_length(f_port, payload, {24, 25})
        red, blue, green, on, off = payload[16:21]
        return DisplayReport(
            kind="report",
            colour=Colour(red, green, blue, on, off),
            attributes={
                "rssi_dbm": int.from_bytes(payload[0:4], "little", signed=True),
                "snr_db": int.from_bytes(payload[4:8], "little", signed=True),
                "downlinks_received": int.from_bytes(payload[8:12], "little"),
                "uplinks_sent": int.from_bytes(payload[12:16], "little"),
                "software_revision": payload[21],
                "hardware_revision": payload[22],
                "adaptive_data_rate": payload[23],
                **({"heartbeat": payload[24]} if len(payload) == 25 else {}),
            },
        )

    def shows(self, command: DisplayCommand, report: DisplayReport) -> bool | None:
        """Compare the colour and the blinking, or the first five raw bytes, with the report."""
        downlink = self.encode(command)
        if report.colour is None or downlink.f_port != F_PORT or len(downlink.payload) not in {5, 6}:
            return None
        red, blue, green, on, off = downlink.payload[:5]
        return report.colour == Colour(red, green, blue, on, off)


def _light(command: ShowColour) -> bytes:
    light = bytes(
        [
            byte_value("red", command.red),
            byte_value("blue", command.blue),
            byte_value("green", command.green),
            byte_value("on time in 1/100 s", command.on_centiseconds),
            byte_value("off time in 1/100 s", command.off_centiseconds),
        ]
    )
    return light + b"\x01" if command.request_report else light


CODEC = KuandoBusylight()
