"""Cells that a spreadsheet would take for a formula, made harmless on the way out and whole on the way in. Pure.

A cell that begins with `= + - @`, a tab or a line break gets an apostrophe before it, which spreadsheets show and do
not execute; plain numbers such as -37.8 stay. Coming back, the apostrophe is taken off again. Cells that begin with
apostrophes and then so get one more, so that every text survives the round trip.
"""

from __future__ import annotations

import re

# With the full-width forms, which some spreadsheets take for the same.
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")  # noqa: RUF001  meant
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?", re.ASCII)


def protect(text: str) -> str:
    """The cell as it is safe to open."""
    return f"'{text}" if _is_formula(text.lstrip("'")) else text


def unprotect(cell: str) -> str:
    """The text that `protect` was given."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell.lstrip("'")) else cell


def _is_formula(text: str) -> bool:
    return _FORMULA.match(text) is not None and _NUMBER.fullmatch(text) is None
