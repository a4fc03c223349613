"""Which ChirpStack application an event says it is of: all that the gateway reads of a body. Pure.

The ingestor reads the whole event later, and sets it aside if it finds another application than was found here.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Encoding = Literal["json", "protobuf", "auto"]
APPLICATION_ID_LIMIT = 100

# Fields of ChirpStack's `integration` messages, which its releases keep: deviceInfo, and applicationId in it.
_DEVICE_INFO = 3
_DEVICE_INFO_OF_LOG = 2
_APPLICATION_ID = 3
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTH = {_FIXED64: 8, _FIXED32: 4}
_VARINT_BYTES = 10


class _DeviceInfo(msgspec.Struct, rename="camel"):
    application_id: str = ""


class _Event(msgspec.Struct, rename="camel"):
    device_info: _DeviceInfo


_decode = msgspec.json.Decoder(_Event).decode


def encoding_of(content_type: str) -> Encoding:
    """How the sender says the body is written; anything unusual is left to the body itself."""
    match content_type.partition(";")[0].strip().lower():
        case "application/json":
            return "json"
        case "application/octet-stream" | "application/x-protobuf" | "application/protobuf":
            return "protobuf"
    return "auto"


def application_of(body: bytes, encoding: Encoding, event: str) -> str | None:
    """`deviceInfo.applicationId`, if the body can be read that far and names a usable one."""
    is_json = encoding == "json" or (encoding == "auto" and body.lstrip()[:1] == b"{")
    found = _of_json(body) if is_json else _of_protobuf(body, event)
    usable = found is not None and 0 < len(found) <= APPLICATION_ID_LIMIT and found.isascii() and found.isprintable()
    return found if usable else None


def _of_json(body: bytes) -> str | None:
    try:
        return _decode(body).device_info.application_id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _of_protobuf(body: bytes, event: str) -> str | None:
    try:
        device_info = _last_bytes(body, _DEVICE_INFO_OF_LOG if event == "log" else _DEVICE_INFO)
        application_id = device_info and _last_bytes(device_info, _APPLICATION_ID)
        return application_id.decode() if application_id else None
    except (ValueError, IndexError):
        return None


def _last_bytes(message: bytes, wanted: int) -> bytes | None:
    """The last length-delimited field of this number. ValueError or IndexError: this is no protobuf message."""
    found, at = None, 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            _, at = _varint(message, at)
        elif kind == _BYTES:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise ValueError("a field reaches beyond the end")
            if number == wanted:
                found = message[at : at + length]
            at += length
        elif kind in _WIDTH:
            at += _WIDTH[kind]
        else:
            raise ValueError(f"wire type {kind}")
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for position in range(_VARINT_BYTES):
        byte = message[at + position]
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:  # the highest bit says that another byte follows
            return value, at + position + 1
    raise ValueError("a number has too many bytes")
