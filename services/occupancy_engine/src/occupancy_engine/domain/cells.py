"""What the cells of an imported row mean: text in, values as the commands take them out. Pure.

An empty cell takes the field's default. Lengths and ranges are not looked at here: they stand in the commands' types.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from parking_contracts.device import parse_eui

METADATA_BYTES = 16 << 10
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)
# Where an empty cell is not simply "none".
_WHEN_EMPTY: dict[str, Any] = {
    "name": "",
    "code": "",
    "dev_eui": "",
    "kind": "standard",
    "time_zone": "UTC",
    "metadata": {},
    "confirm_seconds": 0,
}


class CellError(Exception):
    """A cell cannot mean anything: which, and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


def read_cells(cells: Mapping[str, str]) -> dict[str, Any]:
    """The values of one row.

    Raises:
        CellError: One of them is no number, DevEUI or JSON object where there must be one.
    """
    return {field: _read(field, text) for field, text in cells.items()}


def _read(field: str, text: str) -> Any:
    if not text.strip():
        return _WHEN_EMPTY.get(field)
    try:
        return _READERS.get(field, str)(text)
    except ValueError as error:
        raise CellError(field, str(error)) from error


def _number(text: str) -> float:
    number = float(text) if _NUMBER.fullmatch(text.strip()) else math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]!r} is no number; write it like -37.8136")
    return number


def _whole(text: str) -> int:
    if not _WHOLE.fullmatch(text.strip()):
        raise ValueError(f"{text[:40]!r} is no whole number")
    return int(text)


def _document(text: str) -> dict[str, Any]:
    if len(text.encode(errors="replace")) > METADATA_BYTES:
        raise ValueError(f"takes more than {METADATA_BYTES} bytes")
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise ValueError(f'is no JSON object such as {{"width_m": 2.5}}: {error}') from error


def _word(text: str) -> str:
    return text.strip().lower()


_READERS: dict[str, Callable[[str], Any]] = {
    "latitude": _number,
    "longitude": _number,
    "heartbeat_seconds": _whole,
    "confirm_seconds": _whole,
    "metadata": _document,
    "kind": _word,
    "sensor_eui": parse_eui,
    "display_eui": parse_eui,
    "dev_eui": parse_eui,
}
