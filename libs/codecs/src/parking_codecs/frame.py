"""The errors every codec states in the same words: a wrong port, a wrong length, an element cut short.

Payload bytes come in; numbers and `CodecError`s go out. Nothing here knows a device.
"""

from __future__ import annotations

from collections.abc import Collection

from parking_codecs.codec import CodecError
from parking_contracts.lorawan import HIGHEST_APPLICATION_PORT, LOWEST_APPLICATION_PORT, is_application_port


def expect_length(f_port: int, payload: bytes, lengths: Collection[int]) -> None:
    """Raise `CodecError` unless the payload has one of these lengths, in bytes."""
    if len(payload) not in lengths:
        wanted = " or ".join(str(length) for length in sorted(lengths))
        raise CodecError(f"expected {wanted} bytes", f_port=f_port, length=len(payload))


def expect_at_least(f_port: int, payload: bytes, length: int) -> None:
    """Raise `CodecError` if the payload is shorter than this, in bytes."""
    if len(payload) < length:
        raise CodecError(f"expected at least {length} bytes", f_port=f_port, length=len(payload))


def expect_application_port(f_port: int, payload: bytes) -> None:
    """Raise `CodecError` for a frame that can carry no application data (families that ignore the port)."""
    if not is_application_port(f_port) or not payload:
        ports = f"{LOWEST_APPLICATION_PORT} to {HIGHEST_APPLICATION_PORT}"
        raise CodecError(f"expected application data on fPort {ports}", f_port=f_port, length=len(payload))


def unknown_port(f_port: int, payload: bytes, known: str) -> CodecError:
    """Build the error for a port the family does not use; `known` lists those it does, with their meaning."""
    return CodecError(f"unknown fPort, expected {known}", f_port=f_port, length=len(payload))


def signed(data: bytes) -> int:
    """Read a big-endian two's complement number."""
    return int.from_bytes(data, "big", signed=True)


def unsigned(data: bytes) -> int:
    """Read a big-endian number without sign."""
    return int.from_bytes(data, "big")
