"""What a display codec is: a command goes in and becomes a downlink, an uplink comes in and becomes a report.

Commands are absolute ("show red"), never relative ("next colour"): a repeated downlink must change nothing.
The downlink dispatcher owns when and whether a command is sent; a codec only knows the bytes.
"""

from __future__ import annotations

import base64
import binascii
from abc import abstractmethod
from typing import Literal, Protocol

import msgspec

from parking_codecs.codec import CodecError, Scalar
from parking_contracts.lorawan import (
    HIGHEST_APPLICATION_PORT,
    LONGEST_PAYLOAD_BYTES,
    LOWEST_APPLICATION_PORT,
    is_application_port,
)

DisplayState = Literal["free", "occupied", "reserved", "maintenance", "unknown"]


class ShowColour(msgspec.Struct, frozen=True, tag_field="command", tag="colour"):
    """Light up: red, green, blue 0-255; on and off times in 1/100 s, 0-255; an off time of 0 is a steady light."""

    red: int
    green: int
    blue: int
    on_centiseconds: int = 255
    off_centiseconds: int = 0
    request_report: bool = False


class ShowState(msgspec.Struct, frozen=True, tag_field="command", tag="state"):
    """Show the state of one space in the display's own words."""

    state: DisplayState


class ShowCount(msgspec.Struct, frozen=True, tag_field="command", tag="count"):
    """Show a number, such as the free spaces of a zone."""

    count: int


class ShowText(msgspec.Struct, frozen=True, tag_field="command", tag="text"):
    """Show words on a line of a sign that has words, from 1 on."""

    text: str
    line: int = 1


class RequestReport(msgspec.Struct, frozen=True, tag_field="command", tag="report_now"):
    """Ask for an uplink now."""


class SetReportInterval(msgspec.Struct, frozen=True, tag_field="command", tag="report_interval"):
    """Set how often the display reports by itself, in minutes."""

    minutes: int


class SetAutomaticReply(msgspec.Struct, frozen=True, tag_field="command", tag="automatic_reply"):
    """Make the display answer every downlink with an uplink, or stop doing so."""

    enabled: bool


class SendRaw(msgspec.Struct, frozen=True, tag_field="command", tag="raw"):
    """Send these bytes as they are. `f_port` is one of an application; None is the codec's own port."""

    data: str
    encoding: Literal["hex", "base64"] = "hex"
    f_port: int | None = None


DisplayCommand = (
    ShowColour | ShowState | ShowCount | ShowText | RequestReport | SetReportInterval | SetAutomaticReply | SendRaw
)


class Downlink(msgspec.Struct, frozen=True):
    """What goes to the network server: an application's fPort and the application payload."""

    f_port: int
    payload: bytes


class Colour(msgspec.Struct, frozen=True):
    """A light as a display reports it: RGB 0-255, on and off times in 1/100 s."""

    red: int
    green: int
    blue: int
    on_centiseconds: int = 255
    off_centiseconds: int = 0


class DisplayReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a display says that it shows. What it does not tell is None.

    `kind` is `report`, or `activation` for the frame after a join, when whatever was shown is gone.
    """

    kind: Literal["report", "activation"]
    colour: Colour | None = None
    state: DisplayState | None = None
    attributes: dict[str, Scalar] = {}


class DisplayCodec(Protocol):
    """The bytes of one display family, both ways; the constants mean what they mean in `SensorCodec`."""

    name: str
    profile_names: tuple[str, ...] = ()
    dev_eui_prefixes: tuple[str, ...] = ()

    @abstractmethod
    def encode(self, command: DisplayCommand) -> Downlink:
        """Turn a command into bytes. Raises `CodecError` for a command or a value this display does not know."""
        ...

    @abstractmethod
    def decode(self, f_port: int, payload: bytes) -> DisplayReport:
        """Read one uplink of the display. Raises `CodecError`, and only that."""
        ...

    @abstractmethod
    def shows(self, command: DisplayCommand, report: DisplayReport) -> bool | None:
        """Whether the report says that the command is what is shown; None if it does not tell.

        The codec answers because only it knows what its display cannot tell apart. Raises `CodecError` for a
        command that it cannot encode.
        """
        ...


def raw_downlink(command: SendRaw, default_f_port: int) -> Downlink:
    """Read the hex (spaces and colons allowed) or base64 text of a raw command; `CodecError` if it is neither."""
    try:
        if command.encoding == "base64":
            payload = base64.b64decode(command.data, validate=True)
        else:
            payload = bytes.fromhex(command.data.replace(":", " "))
    except (binascii.Error, ValueError):
        raise CodecError(f"raw payload is not {command.encoding}: {command.data[:40]!r}") from None
    if not 1 <= len(payload) <= LONGEST_PAYLOAD_BYTES:
        raise CodecError(
            f"expected 1 to {LONGEST_PAYLOAD_BYTES} bytes of raw payload", f_port=None, length=len(payload)
        )
    f_port = default_f_port if command.f_port is None else command.f_port
    if not is_application_port(f_port):
        # ChirpStack casts the port to eight bits: 257 would arrive on port 1.
        raise CodecError(
            f"expected an fPort from {LOWEST_APPLICATION_PORT} to {HIGHEST_APPLICATION_PORT}, not {f_port}"
        )
    return Downlink(f_port, payload)


def byte_value(what: str, value: int, *, lowest: int = 0) -> int:
    """Return `value` if it fits one byte, else raise `CodecError` naming it."""
    if not lowest <= value <= 255:
        raise CodecError(f"expected {what} from {lowest} to 255, not {value}")
    return value


def cannot(codec_name: str, command: DisplayCommand, known: str) -> CodecError:
    """Build the error for a command that this display has no bytes for."""
    tag = type(command).__struct_config__.tag
    return CodecError(f"{codec_name} has no '{tag}' command; it knows: {known}")
