"""Stays and bays are read whole or not at all, and their union says the same in fewer words."""

import itertools
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking_simulator.csv_rows import CsvError
from parking_simulator.stays import (
    Bay,
    Interval,
    Oddities,
    arrived_between,
    complete_bays,
    oddities,
    read_bays,
    read_stays,
    show_minute,
    union,
)

MELBOURNE = ZoneInfo("Australia/Melbourne")
HEADER = "bay_marker,area,arrived_at,departed_at\n"


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "given.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def instant(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def test_times_are_local_to_the_site(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + "3426N,Library,2016-11-14T00:00:00,2016-11-14T05:56:00\n")
    (stay,) = read_stays(path, MELBOURNE)
    assert (stay.bay, stay.area) == ("3426N", "Library")
    assert stay.interval == (instant("2016-11-13T13:00+00:00"), instant("2016-11-13T18:56+00:00"))
    assert show_minute(stay.interval.start, MELBOURNE) == "2016-11-14 00:00"


def test_a_time_with_an_offset_keeps_it(tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + "B1,,2016-11-14T00:00:00Z,2016-11-14T02:00:00+01:00\n")
    assert read_stays(path, MELBOURNE)[0].interval == (
        instant("2016-11-14T00:00+00:00"),
        instant("2016-11-14T01:00+00:00"),
    )


def test_byte_order_mark_blank_lines_spaces_and_further_columns_do_no_harm(tmp_path: Path) -> None:
    text = "\ufeffbay_marker , arrived_at,departed_at,note\r\n\r\n B1 ,2016-11-14T00:00,2016-11-14 01:00,x\r\n"
    assert [stay.bay for stay in read_stays(write(tmp_path, text), MELBOURNE)] == ["B1"]


def test_a_stay_through_the_hour_that_is_there_twice(tmp_path: Path) -> None:
    # Clocks in Melbourne went back from 03:00 to 02:00 on 2 April 2017.
    path = write(tmp_path, HEADER + "B1,,2017-04-02T02:50:00,2017-04-02T02:10:00\n")
    (stay,) = read_stays(path, MELBOURNE)
    assert stay.interval.end - stay.interval.start == 20 * 60


BROKEN = {
    "no such time": ("B1,,2016-11-31T00:00,2016-11-14T01:00", "row 2, column arrived_at: '2016-11-31T00:00' is not a"),
    "a word": ("B1,,noon,2016-11-14T01:00", "row 2, column arrived_at: 'noon' is not a time such as"),
    "a date alone": ("B1,,2016-11-14,2016-11-14T01:00", "column arrived_at: '2016-11-14' has a date and no time"),
    "no departure": ("B1,,2016-11-14T01:00,", "row 2, column departed_at: is empty"),
    "backwards": ("B1,,2016-11-14T02:00,2016-11-14T01:00", "column departed_at: is not after arrived_at"),
    "no time at all": ("B1,,2016-11-14T02:00,2016-11-14T02:00", "column departed_at: is not after arrived_at"),
    "the past": ("B1,,1970-01-01T00:00,2016-11-14T01:00", "column arrived_at: '1970-01-01T00:00' lies outside"),
    "the future": ("B1,,2016-11-14T00:00,2199-01-01T00:00", "column departed_at: '2199-01-01T00:00' lies outside"),
    "an hour that is not": ("B1,,2016-10-02T02:30,2016-10-02T04:00", "does not exist in Australia/Melbourne"),
    "no bay": (",,2016-11-14T00:00,2016-11-14T01:00", "row 2, column bay_marker: is empty"),
    "a long bay": (f"{'B' * 21},,2016-11-14T00:00,2016-11-14T01:00", "column bay_marker: .* longer than 20 characters"),
    "too few fields": ("B1,2016-11-14T00:00", "row 2, column arrived_at: has 2 fields, the header has 4"),
    "too many fields": ("B1,,2016-11-14T00:00,2016-11-14T01:00,x,y", "row 2, column departed_at: has 6 fields"),
    "an open quote": ('"B1,,2016-11-14T00:00,2016-11-14T01:00', "is not CSV"),
    "NUL in the marker": (
        "B\0,,2016-11-14T00:00,2016-11-14T01:00",
        r"row 2, column bay_marker: 'B\\x00' holds a control",
    ),
    "a line feed in the area": ('B1,"a\nb",2016-11-14T00:00,2016-11-14T01:00', "row 3, column area: .* a control"),
}


@pytest.mark.parametrize(("row", "complaint"), BROKEN.values(), ids=BROKEN)
def test_a_broken_row_is_named_with_its_column(tmp_path: Path, row: str, complaint: str) -> None:
    with pytest.raises(CsvError, match=complaint):
        read_stays(write(tmp_path, HEADER + row + "\n"), MELBOURNE)


def test_every_broken_row_is_named_at_once(tmp_path: Path) -> None:
    rows = ["B1,,2016-11-14T00:00,2016-11-14T01:00", "B2,,x,2016-11-14T01:00", "B3,,2016-11-14T00:00,y"]
    with pytest.raises(CsvError) as caught:
        read_stays(write(tmp_path, HEADER + "\n".join(rows)), MELBOURNE)
    assert [(fault.row, fault.column) for fault in caught.value.faults] == [(3, "arrived_at"), (4, "departed_at")]


def test_a_long_list_of_faults_is_cut(tmp_path: Path) -> None:
    with pytest.raises(CsvError, match="and 30 more"):
        read_stays(write(tmp_path, HEADER + "B1,,x,y\n" * 50), MELBOURNE)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "row 1, column bay_marker: is missing"),
        (b"bay_marker,arrived_at\n", "row 1, column departed_at: is missing"),
        (b"bay_marker,bay_marker,arrived_at,departed_at\n", "column bay_marker: is there twice"),
        (HEADER.encode() + b"B1,\xff,,\n", "row 2: is not UTF-8"),
        (b"\x00\x01", "row 1"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    with pytest.raises(CsvError, match=complaint):
        read_stays(write(tmp_path, content), MELBOURNE)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("B1,x,-37.8,\n", "row 2, column longitude: is empty, and its partner is not"),
        ("B1,x,north,144.9\n", "row 2, column latitude: 'north' is not a number"),
        ("B1,x,nan,144.9\n", "row 2, column latitude: nan is not within"),
        ("B1,x,-37.8,190\n", "row 2, column longitude: 190 is not within"),
        ("B1,x,,\nB1,x,,\n", "row 3, column bay_marker: 'B1' is there twice"),
        (f"B1,{'x' * 51},,\n", "row 2, column area: .* longer than 50"),
    ],
)
def test_a_broken_bay_is_named(tmp_path: Path, row: str, complaint: str) -> None:
    with pytest.raises(CsvError, match=complaint):
        read_bays(write(tmp_path, "bay_marker,area,latitude,longitude\n" + row))


def test_bays_that_only_the_stays_know_have_no_position(tmp_path: Path) -> None:
    bays = read_bays(write(tmp_path, "bay_marker,area,latitude,longitude\nB1,x,-37.8,144.9\n"))
    path = write(tmp_path, HEADER + "B1,x,2016-11-14T00:00,2016-11-14T01:00\nB9,y,2016-11-14T00:00,2016-11-14T01:00\n")
    complete, added = complete_bays(bays, read_stays(path, MELBOURNE))
    assert complete == [Bay("B1", "x", (-37.8, 144.9)), Bay("B9", "y", None)]
    assert added == ["B9"]


def test_what_the_union_puts_right_is_counted(tmp_path: Path) -> None:
    rows = ["00:00,01:00", "00:00,01:00", "00:30,02:00", "02:00,03:00", "03:01,04:00"]
    text = HEADER + "".join(
        f"B1,,2016-11-14T{arrived},2016-11-14T{departed}\n" for arrived, departed in (row.split(",") for row in rows)
    )
    stays = read_stays(write(tmp_path, text), MELBOURNE)
    assert oddities(stays) == Oddities(repeated=1, overlapping=1, touching=1)
    assert len(union(stay.interval for stay in stays)) == 2


def test_a_period_takes_the_stays_that_began_in_it(tmp_path: Path) -> None:
    text = HEADER + "".join(f"B{hour},,2016-11-14T0{hour}:00,2016-11-14T09:00\n" for hour in range(5))
    stays = read_stays(write(tmp_path, text), MELBOURNE)
    since = datetime(2016, 11, 14, 1, tzinfo=MELBOURNE)
    until = datetime(2016, 11, 13, 16, tzinfo=UTC)  # 03:00 in Melbourne
    assert [stay.bay for stay in arrived_between(stays, since, until)] == ["B1", "B2"]


INTERVALS = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 40)).map(lambda pair: Interval(pair[0], sum(pair))), max_size=30
)


@given(INTERVALS)
def test_the_union_covers_the_same_seconds(intervals: list[Interval]) -> None:
    def covered(some: list[Interval]) -> set[int]:
        return {second for interval in some for second in range(interval.start, interval.end)}

    assert covered(union(intervals)) == covered(intervals)


@given(INTERVALS)
def test_the_union_is_in_order_and_leaves_gaps(intervals: list[Interval]) -> None:
    merged = union(intervals)
    assert all(before.end < after.start for before, after in itertools.pairwise(merged))


@given(INTERVALS, st.randoms())
def test_the_union_does_not_depend_on_order_or_repetition(intervals: list[Interval], dice: object) -> None:
    shuffled = intervals * 2
    dice.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis hands over a random.Random
    assert union(shuffled) == union(intervals)
    assert union(union(intervals)) == union(intervals)
