"""A plain RGB light without a maker: three bytes R G B, both ways, on one port.

Downlink and uplink, fPort 1: red, green, blue, 0-255 each. The light shows the colour until the next downlink; an
uplink of three bytes repeats what it shows. It cannot blink. A build on another port registers its own instance,
`GenericRgb(f_port=10, name="my_rgb")`. The protocol is this project's own and this page its only source.
"""

from __future__ import annotations

from parking_codecs.codec import CodecError
from parking_codecs.display import (
    Colour,
    DisplayCodec,
    DisplayCommand,
    DisplayReport,
    Downlink,
    SendRaw,
    ShowColour,
    byte_value,
    cannot,
    raw_downlink,
)
from parking_codecs.frame import expect_length, unknown_port


class GenericRgb(DisplayCodec):
    """Both directions of a three-byte light on `f_port`, one of an application."""

    def __init__(
        self, f_port: int = 1, name: str = "generic_rgb", profile_names: tuple[str, ...] = ("Generic RGB",)
    ) -> None:
        self.f_port = f_port
        self.name = name
        self.profile_names = profile_names

    def encode(self, command: DisplayCommand) -> Downlink:
        """Encode a steady colour or raw bytes."""
        match command:
            case ShowColour(red=red, green=green, blue=blue):
                if command.off_centiseconds or command.request_report:
                    raise CodecError(f"{self.name} can neither blink nor report on request; use a steady colour")
                values = [byte_value("red", red), byte_value("green", green), byte_value("blue", blue)]
                return Downlink(self.f_port, bytes(values))
            case SendRaw():
                return raw_downlink(command, self.f_port)
        raise cannot(self.name, command, "colour, raw")

    def decode(self, f_port: int, payload: bytes) -> DisplayReport:
        """Read three bytes as the colour that is shown."""
        if f_port != self.f_port:
            raise unknown_port(f_port, payload, str(self.f_port))
        expect_length(f_port, payload, {3})
        red, green, blue = payload
        return DisplayReport(kind="report", colour=Colour(red, green, blue))

    def shows(self, command: DisplayCommand, report: DisplayReport) -> bool | None:
        """Compare the three bytes with the report."""
        downlink = self.encode(command)
        if report.colour is None or downlink.f_port != self.f_port or len(downlink.payload) != 3:
            return None
        red, green, blue = downlink.payload
        return report.colour == Colour(red, green, blue)


CODEC = GenericRgb()
