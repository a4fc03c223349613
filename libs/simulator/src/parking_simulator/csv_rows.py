"""A CSV file read row by row, with every complaint naming row and column.

In: the bytes of a file. Out: `Row`s, or `CsvError` with all that is wrong with it (not just the first fault), so that
nothing is applied of a file that is broken anywhere.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

SHOWN_FAULTS = 20


class Fault(NamedTuple):
    """What is wrong in one place. `row` is the line in the file, the header being 1; `column` may be empty."""

    row: int
    column: str
    problem: str

    def __str__(self) -> str:
        where = f"row {self.row}, column {self.column}" if self.column else f"row {self.row}"
        return f"{where}: {self.problem}"


class CsvError(ValueError):
    """A file that cannot be used; `faults` are in the order of its rows."""

    def __init__(self, path: str, faults: Sequence[Fault]) -> None:
        self.path = path
        self.faults = tuple(faults)
        shown = [f"{path}: {fault}" for fault in self.faults[:SHOWN_FAULTS]]
        if len(self.faults) > SHOWN_FAULTS:
            shown.append(f"{path}: and {len(self.faults) - SHOWN_FAULTS} more")
        super().__init__("\n".join(shown))


class FieldError(ValueError):
    """One field cannot be read; raised by the readers below and by their callers, caught per row."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(problem)
        self.column = column


class Row:
    """One row: its line in the file, and its fields by column, stripped."""

    def __init__(self, number: int, fields: dict[str, str]) -> None:
        self.number = number
        self._fields = fields

    def text(self, column: str, *, longest: int) -> str:
        """A field that must not be empty, at most `longest` characters. Raises FieldError."""
        value = self.optional_text(column, longest=longest)
        if not value:
            raise FieldError(column, "is empty")
        return value

    def optional_text(self, column: str, *, longest: int) -> str:
        """A field of printable text, empty where the file has no such column. Raises FieldError."""
        value = self._fields.get(column, "")
        if len(value) > longest:
            raise FieldError(column, f"{value[:longest]!r}... is longer than {longest} characters")
        if not value.isprintable():
            raise FieldError(column, f"{value!r} holds a control character")
        return value

    def degrees(self, column: str, limit: float) -> float | None:
        """An angle from -limit to limit, or None where the field is empty. Raises FieldError."""
        value = self._fields.get(column, "")
        if not value:
            return None
        try:
            angle = float(value)
        except ValueError:
            raise FieldError(column, f"{value[:40]!r} is not a number") from None
        if not -limit <= angle <= limit:
            raise FieldError(column, f"{value[:40]} is not within {-limit:g} and {limit:g} degrees")
        return angle


def read_rows(path: Path, required: Sequence[str]) -> Iterator[Row]:
    """The rows of a CSV file in UTF-8 (a byte order mark is fine) whose header names the `required` columns.

    Blank lines are passed over. Raises CsvError for a file without these columns or a row of the wrong length.
    """
    name = path.name
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = error.object.count(b"\n", 0, error.start) + 1
        raise CsvError(name, [Fault(row, "", f"is not UTF-8 (byte {error.object[error.start]:#04x})")]) from None
    reader = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        yield from _rows(reader, name, required)
    except csv.Error as error:
        raise CsvError(name, [Fault(reader.line_num, "", f"is not CSV: {error}")]) from None


def _rows(reader: Iterator[list[str]], name: str, required: Sequence[str]) -> Iterator[Row]:
    header = [column.strip() for column in next(reader, [])]
    missing = [column for column in required if column not in header]
    if missing:
        raise CsvError(name, [Fault(1, column, f"is missing; the columns are {header}") for column in missing])
    if repeated := sorted({column for column in header if header.count(column) > 1}):
        raise CsvError(name, [Fault(1, column, "is there twice") for column in repeated])
    for values in reader:
        number: int = reader.line_num  # type: ignore[attr-defined]  # csv.reader's, which its stub calls private
        if not any(value.strip() for value in values):
            continue
        if len(values) != len(header):
            problem = f"has {len(values)} fields, the header has {len(header)}"
            raise CsvError(name, [Fault(number, header[min(len(values), len(header) - 1)], problem)])
        yield Row(number, dict(zip(header, (value.strip() for value in values), strict=True)))
