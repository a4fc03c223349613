"""What a client asked to be sent to a display, as the bytes of its codec; or what is wrong with it. Pure."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from parking_codecs.codec import CodecError
from parking_codecs.display import DisplayCodec, DisplayCommand, SendRaw
from parking_contracts.downlink_commands import SendDownlink

_TAGS: dict[str, type[Any]] = {str(one.__struct_config__.tag): one for one in DisplayCommand.__args__}


class Request(msgspec.Struct, frozen=True):
    """What goes out: an fPort and bytes that a codec made, and the command that they were made of, if any."""

    f_port: int
    payload: bytes
    command: dict[str, Any] | None


class Objection(msgspec.Struct, frozen=True):
    """The field of the request that cannot be, and why."""

    field: str
    message: str


def read_request(body: SendDownlink, codec: DisplayCodec) -> Request | Objection:
    """Raw bytes, or a command in the display's own bytes: one of both must be given."""
    if (body.payload is None) == (body.command is None):
        field = "payload" if body.payload is None else "command"
        return Objection(field, "give either a payload or a command")
    if body.payload is not None:
        return _raw(body.payload, body.encoding, body.f_port, codec)
    if body.f_port is not None:
        return Objection("f_port", "goes with a payload; a command is sent on the display's own port")
    return _command(body.command or {}, codec)


def _raw(
    payload: str, encoding: Literal["hex", "base64"], f_port: int | None, codec: DisplayCodec
) -> Request | Objection:
    digits = sum(not (one.isspace() or one == ":") for one in payload)
    if encoding == "hex" and digits % 2:
        return Objection("payload", f"{digits} hex digits are no whole bytes: each has two")
    try:
        downlink = codec.encode(SendRaw(payload, encoding, f_port))
    except CodecError as error:
        return Objection("payload", str(error))
    return Request(downlink.f_port, downlink.payload, None)


def _command(given: dict[str, Any], codec: DisplayCodec) -> Request | Objection:
    kind = _TAGS.get(given["command"]) if isinstance(given.get("command"), str) else None
    if kind is None:
        return Objection("command", f"there is no command {given.get('command')!r}; known are: {', '.join(_TAGS)}")
    if unknown := given.keys() - {"command", *kind.__struct_fields__}:
        return Objection("command", f"{given['command']!r} takes no {', '.join(sorted(unknown))}")
    try:
        command: DisplayCommand = msgspec.convert(given, kind)
        downlink = codec.encode(command)
    except (msgspec.ValidationError, CodecError) as error:
        return Objection("command", str(error))
    return Request(downlink.f_port, downlink.payload, msgspec.to_builtins(command))
