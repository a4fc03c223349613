"""Rows of figures turned into answers. They go out as JSON at once: thousands of points need no second look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
from fastapi import Response

from api_gateway.statistics.history.queries import MOST_ROWS, SERIES
from api_gateway.statistics.history.selection import MOST_POINTS, GroupBy, Selection, too_many_points
from parking_contracts.local_days import local_day

Row = asyncpg.Record | Mapping[str, Any]
Rows = Sequence[asyncpg.Record]
Values = dict[str, Any]


def answer(selection: Selection, rows: Rows, **parts: Any) -> Response:
    """The whole answer, with what was asked and how current it is."""
    computed_until = max((row["computed_until"] for row in rows), default=None)
    head = {"first_day": selection.first, "end_day": selection.end, "computed_until": computed_until}
    return Response(msgspec.json.encode(head | parts), media_type="application/json")


def in_series(rows: Rows, group_by: GroupBy | None, fill: Callable[[list[asyncpg.Record]], Values]) -> list[Values]:
    """Rows come in the order of their series; each becomes one, named and filled.

    Raises:
        ProblemError: VALIDATION_ERROR, they are more than an answer holds.
    """
    if len(rows) > MOST_ROWS:
        raise too_many_points()
    names = SERIES[group_by]
    series = []
    for key, members in groupby(rows, key=lambda row: tuple(row[name] for name in names)):
        named = dict.fromkeys(("site_id", "zone", "kind")) | dict(zip(names, key, strict=True))
        series.append({**named, "zone": named["zone"] or None, **fill(list(members))})
    if sum(len(one.get("points", ())) for one in series) > MOST_POINTS:
        raise too_many_points()
    return series


def occupancy(row: Row) -> Values:
    """Rate and what it is made of."""
    return {
        "occupancy_rate": ratio(row["occupied_seconds"], row["watched_seconds"]),
        "occupied_seconds": row["occupied_seconds"],
        "watched_seconds": row["watched_seconds"],
    }


def ratio(part: float, whole: float) -> float | None:
    """To four digits; None of nothing."""
    return round(part / whole, 4) if whole else None


def local(second: int, time_zone: str) -> datetime:
    """A moment on the clocks of a zone."""
    return datetime.fromtimestamp(second, ZoneInfo(time_zone))


@lru_cache(maxsize=4096)
def starts(time_zone: str, day: date, *, quarters: bool) -> tuple[datetime, ...]:
    """When the hours or quarter hours of a local day begin, on its own clocks."""
    cut = local_day(time_zone, day)
    return tuple(local(second, time_zone) for second in (cut.quarter_starts() if quarters else cut.hour_starts()))


@lru_cache(maxsize=4096)
def day_start(time_zone: str | None, day: date) -> datetime | None:
    """When a local day begins; None where its sites' clocks differ."""
    return None if time_zone is None else local(local_day(time_zone, day).starts_at, time_zone)


def add_up(rows: Iterable[Row], name: str) -> int:
    """The sum of a column."""
    total: int = sum(row[name] for row in rows)
    return total
