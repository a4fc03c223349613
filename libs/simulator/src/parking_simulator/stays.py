"""Recorded stays and bays: two CSV files in, typed and checked values out, and the union of a bay's stays.

STAYS.csv: bay_marker, arrived_at, departed_at and, if it likes, area; BAYS.csv: bay_marker and, if it likes, area,
latitude, longitude. Further columns are passed over. Times are ISO 8601, local to the site unless they say otherwise.
Everything here is pure but for the reading of the two files.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import NamedTuple

import msgspec

from parking_simulator.csv_rows import CsvError, Fault, FieldError, Row, read_rows

EARLIEST_YEAR, LATEST_YEAR = 2000, 2099
LONGEST_MARKER = 20
LONGEST_AREA = 50


class Interval(NamedTuple):
    """From `start` until `end`, in seconds since 1970 in UTC; `start` < `end`."""

    start: int
    end: int


class Stay(msgspec.Struct, frozen=True):
    """One vehicle's stay on a bay, as recorded."""

    bay: str
    area: str
    interval: Interval


class Bay(msgspec.Struct, frozen=True):
    """A parking bay; `position` is latitude and longitude in WGS 84 degrees, None where nobody recorded it."""

    marker: str
    area: str
    position: tuple[float, float] | None


def read_stays(path: Path, zone: tzinfo) -> list[Stay]:
    """Every stay of the file, in its order. Raises CsvError naming row and column of all that is wrong."""
    stays: list[Stay] = []
    faults: list[Fault] = []
    for row in read_rows(path, ("bay_marker", "arrived_at", "departed_at")):
        try:
            stays.append(_stay(row, zone))
        except FieldError as error:
            faults.append(Fault(row.number, error.column, str(error)))
    if faults:
        raise CsvError(path.name, faults)
    return stays


def _stay(row: Row, zone: tzinfo) -> Stay:
    bay = row.text("bay_marker", longest=LONGEST_MARKER)
    area = row.optional_text("area", longest=LONGEST_AREA)
    arrived, _ = _instants(row, "arrived_at", zone)
    departed_first, departed_second = _instants(row, "departed_at", zone)
    # When the clocks go back an hour is there twice: a departure is the first one after its arrival.
    departed = departed_first if departed_first > arrived else departed_second
    if departed <= arrived:
        raise FieldError("departed_at", "is not after arrived_at")
    return Stay(bay, area, Interval(arrived, departed))


def _instants(row: Row, column: str, zone: tzinfo) -> tuple[int, int]:
    """The first and the second instant that this local time may mean; nearly always the same."""
    text = row.text(column, longest=40)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise FieldError(column, f"{text!r} is not a time such as 2016-11-14T06:00:00") from None
    if len(text) < len("2016-11-14T06"):
        raise FieldError(column, f"{text!r} has a date and no time of day")
    if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
        raise FieldError(column, f"{text!r} lies outside {EARLIEST_YEAR} to {LATEST_YEAR}")
    if moment.tzinfo is not None:
        instant = int(moment.timestamp())
        return instant, instant
    first = moment.replace(tzinfo=zone)
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
        raise FieldError(column, f"{text!r} does not exist in {zone}: the clocks go forward over it")
    return int(first.timestamp()), int(first.replace(fold=1).timestamp())


def read_bays(path: Path) -> dict[str, Bay]:
    """Every bay of the file by its marker. Raises CsvError naming row and column of all that is wrong."""
    bays: dict[str, Bay] = {}
    faults: list[Fault] = []
    for row in read_rows(path, ("bay_marker",)):
        try:
            bay = _bay(row, bays)
            bays[bay.marker] = bay
        except FieldError as error:
            faults.append(Fault(row.number, error.column, str(error)))
    if faults:
        raise CsvError(path.name, faults)
    return bays


def _bay(row: Row, known: Container[str]) -> Bay:
    marker = row.text("bay_marker", longest=LONGEST_MARKER)
    if marker in known:
        raise FieldError("bay_marker", f"{marker!r} is there twice")
    area = row.optional_text("area", longest=LONGEST_AREA)
    latitude, longitude = row.degrees("latitude", 90), row.degrees("longitude", 180)
    if latitude is None and longitude is None:
        return Bay(marker, area, None)
    if latitude is None or longitude is None:
        raise FieldError("longitude" if longitude is None else "latitude", "is empty, and its partner is not")
    return Bay(marker, area, (latitude, longitude))


def complete_bays(bays: dict[str, Bay], stays: Iterable[Stay]) -> tuple[list[Bay], list[str]]:
    """All bays, those included that only the stays know (they have no position), and the markers of the latter."""
    complete = dict(bays)
    for stay in stays:
        if stay.bay not in complete:
            complete[stay.bay] = Bay(stay.bay, stay.area, None)
    return [complete[marker] for marker in sorted(complete)], sorted(complete.keys() - bays.keys())


def arrived_between(stays: Iterable[Stay], since: datetime | None, until: datetime | None) -> list[Stay]:
    """The stays that began at or after `since` and before `until`; None means no bound."""
    low = since.timestamp() if since else float("-inf")
    high = until.timestamp() if until else float("inf")
    return [stay for stay in stays if low <= stay.interval.start < high]


def union(intervals: Iterable[Interval]) -> list[Interval]:
    """The same instants as disjoint intervals in order; overlapping and touching ones become one."""
    merged: list[Interval] = []
    for interval in sorted(intervals):
        if merged and interval.start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, interval.end))
        else:
            merged.append(interval)
    return merged


def unions_by_bay(stays: Iterable[Stay]) -> dict[str, list[Interval]]:
    """The union of each bay's stays."""
    intervals: defaultdict[str, list[Interval]] = defaultdict(list)
    for stay in stays:
        intervals[stay.bay].append(stay.interval)
    return {bay: union(found) for bay, found in intervals.items()}


class Oddities(NamedTuple):
    """What is remarkable in a recording, and harmless: how many rows repeat, overlap or touch another."""

    repeated: int
    overlapping: int
    touching: int


def oddities(stays: Sequence[Stay]) -> Oddities:
    """Count what `union` will quietly put right, so that it can be said aloud."""
    repeated = len(stays) - len(set(stays))
    overlapping = touching = 0
    reached: dict[str, int] = {}
    for stay in sorted(set(stays), key=lambda stay: stay.interval):
        end = reached.get(stay.bay)
        overlapping += end is not None and stay.interval.start < end
        touching += end is not None and stay.interval.start == end
        reached[stay.bay] = max(end or 0, stay.interval.end)
    return Oddities(repeated, overlapping, touching)


def minute(instant: int) -> int:
    """The minute an instant (seconds since 1970) lies in, as the instant at which it begins."""
    return instant - instant % 60


def show_minute(instant: int, zone: tzinfo) -> str:
    """Local date and minute for a person to read."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=instant)).astimezone(zone).strftime("%Y-%m-%d %H:%M")
