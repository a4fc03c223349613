"""A CSV file cut into smaller ones with the same header, each row with the line it began on. Pure.

The gateway takes some thousand rows at a time, and answers for lines of what it was sent; people look for the line in
their own file.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from parkstream.errors import OperatorError


@dataclass(frozen=True)
class Chunk:
    """A CSV file of its own, and on which line of the whole one each of its rows begins."""

    body: bytes
    lines: tuple[int, ...]


@dataclass(frozen=True)
class CsvFile:
    """A whole file, read: its delimiter, its header, and its rows with their lines."""

    delimiter: str
    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]

    def chunks(self, rows_at_once: int) -> Iterator[Chunk]:
        """The file in parts; one without rows where there are none, so that its header is looked at."""
        for start in range(0, max(len(self.rows), 1), rows_at_once):
            rows = self.rows[start : start + rows_at_once]
            text = io.StringIO()
            csv.writer(text, delimiter=self.delimiter).writerows([self.header, *(cells for _, cells in rows)])
            yield Chunk(text.getvalue().encode(), tuple(line for line, _ in rows))


def read_csv(content: bytes) -> CsvFile:
    """Read a file with commas or semicolons; lines without any content are passed over.

    Raises:
        OperatorError: It is no such file; the message says where.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise OperatorError(f"Byte {error.start} of the file is no UTF-8.", "Save it as `CSV UTF-8`.") from error
    first = text.lstrip().partition("\n")[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[tuple[int, tuple[str, ...]]] = []
    line = 1
    try:
        for cells in reader:
            if any(cells):
                if found and len(cells) != len(found[0][1]):
                    columns = len(found[0][1])
                    raise OperatorError(f"Line {line} has {len(cells)} cells; the header names {columns} columns.")
                found.append((line, tuple(cells)))
            line = reader.line_num + 1
    except csv.Error as error:
        raise OperatorError(f"Line {line} cannot be read as CSV: {error}.") from error
    if not found:
        raise OperatorError("The file is empty.", "Its first line names the columns; `parkstream export` shows them.")
    return CsvFile(delimiter, found[0][1], tuple(found[1:]))
