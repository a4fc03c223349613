"""CSV as spreadsheets write it: what is read, what is refused and where, and that every text survives."""

import contextlib
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.imports.csv_tables import TableError, read_table, write_lines
from api_gateway.imports.formulas import protect, unprotect

SPACES = ("site", "code", "name")
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


def cells(body: str | bytes, kind: str = "spaces") -> list[dict[str, str]]:
    return [row.cells for row in read_table(body if isinstance(body, bytes) else body.encode(), kind)]


def test_commas_semicolons_line_ends_quotes_and_a_byte_order_mark_are_read() -> None:
    expected = [{"site": "Main, Street", "code": "A1", "name": 'the "first"\r\nbay'}]
    body = 'site,code,name\r\n"Main, Street",A1,"the ""first""\r\nbay"\r\n'
    assert cells(body) == cells(b"\xef\xbb\xbf" + body.encode()) == expected
    assert cells('Site; CODE ;name\n"Main, Street";A1;"the ""first""\r\nbay"\n\n;;\n') == expected
    assert cells("site,code\rMain,A1") == [{"site": "Main", "code": "A1"}]


def test_the_line_of_a_row_is_where_it_begins() -> None:
    rows = read_table(b'site,code,name\nX,1,"a\nb"\n\nX,2,c\n', "spaces")
    assert [row.line for row in rows] == [2, 5]


def test_a_decimal_comma_is_read_where_commas_separate_nothing_else() -> None:
    header = "name;latitude;longitude\n"
    assert cells(f"{header}Süd, 1;-37,8136;144,9631", "sites") == [
        {"name": "Süd, 1", "latitude": "-37.8136", "longitude": "144.9631"}
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"site,code\n\xff", "byte 10 is no UTF-8"),
        (b"site,code\nX,\0", "line 2: holds the character"),
        (b"site,code,colour\nX,1,red", "line 1: unknown column 'colour'; known: site, site_id, code"),
        (b"site,code,code\nX,1,2", "line 1: the column code stands there twice"),
        (b"code," * 300_000 + b"code\nX,1", "line 1: the column code stands there twice"),
        (b"site,name\nX,1", "line 1: the column code is missing"),
        (b"code,name\n1,2", "line 1: the column site or site_id is missing"),
        (b"site,code\nX,1\nX,2,3\n", "line 3: has 3 cells"),
        (b"site,code\nX\n", "line 2: has 1 cells"),
        (b'site,code\nX,1\n"X"x,1', "line 3: cannot be read as CSV"),
        (b'site,code\nX,"1', "line 2: cannot be read as CSV"),
        (b"site,code\nX,%s" % (b"x" * 200_000), "line 2: cannot be read as CSV"),
        (b"site,code\n" + b"X,1\n" * 5_001, "line 5002: more than 5000 rows"),
    ],
)
def test_a_broken_file_is_refused_with_the_line(body: bytes, message: str) -> None:
    with pytest.raises(TableError, match=message):
        read_table(body, "spaces")


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'=1", "''=1", "\uff1d1"])
def test_what_a_spreadsheet_would_execute_is_not_written(text: str) -> None:
    assert protect(text) == f"'{text}"
    assert unprotect(protect(text)) == text


@pytest.mark.parametrize("text", ["", "-37.8136", "+1", "-1e-05", "-1,5", "'quoted'", "A=1", "'-1"])
def test_what_a_spreadsheet_does_not_execute_stays(text: str) -> None:
    assert protect(text) == unprotect(text) == text


@given(TEXT | st.from_regex(r"\A'{0,3}[=+\-@\t\r\n0-9.]{0,4}\Z"))
def test_every_text_survives_protection(text: str) -> None:
    assert unprotect(protect(text)) == text


@given(st.lists(st.tuples(TEXT.filter(str.strip), TEXT.filter(str.strip), TEXT), min_size=1, max_size=5))
def test_every_table_survives_the_round_trip(rows: list[tuple[str, str, str]]) -> None:
    written = write_lines(SPACES, [dict(zip(SPACES, row, strict=True)) for row in rows])
    header = "site,code,name\r\n"
    assert [tuple(row.values()) for row in cells(header + written)] == rows
    executed = [cell for row in csv.reader(io.StringIO(written, newline="")) for cell in row if cell[:1] in set("=@")]
    assert executed == []


@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_be_refused(body: bytes) -> None:
    with contextlib.suppress(TableError):
        read_table(b"site,code\n" + body, "spaces")
