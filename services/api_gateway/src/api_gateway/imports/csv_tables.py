"""CSV, as people's spreadsheets write it, to rows of an import, and rows of an export to CSV. Pure.

In: UTF-8 with or without a byte order mark, commas or semicolons, any line ends, a header row with our field names.
A file that is broken as a file is refused whole; what a readable cell says is for the owner of the noun to judge.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from api_gateway.imports.formulas import protect, unprotect
from parking_contracts.import_commands import COLUMNS, ROWS_AT_MOST, ImportKind, ImportRow

# Of each group, a file has one.
_REQUIRED: dict[ImportKind, tuple[tuple[str, ...], ...]] = {
    "sites": (("name",),),
    "spaces": (("site", "site_id"), ("code",)),
    "devices": (("dev_eui",),),
}
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*", re.ASCII)


class TableError(Exception):
    """The file cannot be read as a table of this kind; `line` is where, if that is known."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.line = line


def read_table(body: bytes, kind: ImportKind) -> tuple[ImportRow, ...]:
    """The rows of a file; lines without any content are passed over.

    Raises:
        TableError: It is no table, has a column that is none of ours, lacks one it needs, or has too many rows.
    """
    text = _decoded(body)
    delimiter = delimiter_of(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[ImportRow] = []
    header: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            if any(cells) and header is None:
                header = _header(cells, kind, line)
            elif any(cells) and header is not None:
                if len(cells) != len(header):
                    raise TableError(f"has {len(cells)} cells, where the header names {len(header)} columns", line)
                if len(rows) == ROWS_AT_MOST:
                    raise TableError(f"more than {ROWS_AT_MOST} rows; split the file (`parkstream import` does)", line)
                read = (_cell(cell, name, delimiter) for cell, name in zip(cells, header, strict=True))
                rows.append(ImportRow(line=line, cells=dict(zip(header, read, strict=True))))
            line = reader.line_num + 1
    except csv.Error as error:
        raise TableError(f"cannot be read as CSV: {error}", line) from error
    if header is None:
        raise TableError(f"the file is empty; its first line names columns, of: {', '.join(COLUMNS[kind])}")
    return tuple(rows)


def delimiter_of(text: str) -> str:
    """Semicolon or comma, whichever the header has more of: no column's name holds one."""
    header = text.lstrip().partition("\n")[0]
    return ";" if header.count(";") > header.count(",") else ","


def _decoded(body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(f"byte {error.start} is no UTF-8; save the file as `CSV UTF-8`") from error
    if "\0" in text:
        raise TableError("holds the character U+0000, which cannot be stored", text[: text.index("\0")].count("\n") + 1)
    return text


def _header(cells: list[str], kind: ImportKind, line: int) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    known = ", ".join(COLUMNS[kind])
    if unknown := [name for name in names if name not in COLUMNS[kind]]:
        raise TableError(f"unknown column {unknown[0][:100]!r}; known: {known}", line)
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise TableError(f"the column {twice[0]} stands there twice", line)
    for group in _REQUIRED[kind]:
        if not any(name in names for name in group):
            raise TableError(f"the column {' or '.join(group)} is missing", line)
    return names


def _cell(cell: str, column: str, delimiter: str) -> str:
    """Where commas do not separate cells, they may separate decimals."""
    is_coordinate = delimiter == ";" and column in {"latitude", "longitude"}
    if is_coordinate and _DECIMAL_COMMA.fullmatch(cell):
        return cell.replace(",", ".")
    return unprotect(cell)


def write_lines(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """These rows as lines of CSV, without a header."""
    lines = io.StringIO()
    csv.writer(lines).writerows([_written(row[name]) for name in columns] for row in rows)
    return lines.getvalue()


def _written(value: Any) -> str:
    if value is None or value == {}:
        return ""
    if isinstance(value, dict):
        return msgspec.json.encode(value, order="deterministic").decode()
    return protect(str(value))
