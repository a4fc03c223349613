"""How full it was: over time, by hour and weekday, and at its fullest."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

import asyncpg
from fastapi import Query, Response

from api_gateway.http.fields import Instant
from api_gateway.http.openapi import READ_ONE
from api_gateway.http.routes import NounRouter
from api_gateway.identity.database import Database
from api_gateway.statistics.history import queries
from api_gateway.statistics.history.answers import answer, day_start, in_series, local, occupancy, ratio, starts
from api_gateway.statistics.history.models import OccupancyHistory, Peaks, Profile
from api_gateway.statistics.history.selection import Grouping, Selected, refused
from parking_contracts.local_days import QUARTER

router = NounRouter(prefix="/api/v6/statistics", tags=["statistics"])


class Interval(StrEnum):
    """How long each point lasts; a week begins on Monday."""

    QUARTER = "quarter"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


PER_DAY = {Interval.QUARTER: 96, Interval.HOUR: 24, Interval.DAY: 1, Interval.WEEK: 1 / 7, Interval.MONTH: 1 / 28}
Moment = Annotated[Instant | None, Query(examples=["2026-05-04T10:00:00+02:00"])]


@router.get("/occupancy", response_model=OccupancyHistory, responses=READ_ONE)
async def read_occupancy_history(
    database: Database,
    selection: Selected,
    interval: Annotated[Interval, Query(description="how long each point lasts; a week begins on Monday")] = (
        Interval.DAY
    ),
    group_by: Grouping = None,
    since: Annotated[Moment, Query(description="of hours and quarters: only those that begin then or later")] = None,
    until: Annotated[Moment, Query(description="of hours and quarters: only those that begin before")] = None,
) -> Response:
    """Occupancy over time: which share of the watched spaces was occupied.

    `from` and `to` are local days of the site; `since` and `until`, moments with an offset, cut hours and quarters out
    of them. A day has 23, 24 or 25 hours, and each point tells its own offset. Several sites add up by their own local
    days; hours of sites in different time zones do not add up, so ask for one site or `group_by=site`.

    At most 10,000 points; today is in, up to `computed_until`.
    """
    selection.require_points(PER_DAY[interval])
    if interval in (Interval.DAY, Interval.WEEK, Interval.MONTH):
        if since is not None or until is not None:
            raise refused("since", f"cuts quarters and hours; with interval={interval} use `from` and `to`")
        rows = await queries.sums(database, selection, group_by, interval)
        series = in_series(rows, group_by, lambda days: {"points": [_day_point(row) for row in days]})
    else:
        quarters = interval is Interval.QUARTER
        rows = await queries.hours(database, selection, group_by, quarters=quarters)
        series = in_series(rows, group_by, lambda hours: {"points": _hour_points(hours, quarters, since, until)})
    return answer(selection, rows, interval=interval, series=series)


def _day_point(row: asyncpg.Record) -> dict[str, Any]:
    return {"day": row["day"], "start": day_start(row["time_zone"], row["day"]), **occupancy(row)}


def _hour_points(
    rows: list[asyncpg.Record], quarters: bool, since: datetime | None, until: datetime | None
) -> list[dict[str, Any]]:
    if len({row["time_zone"] for row in rows}) > 1:
        raise refused("interval", "the sites have different time zones: name one `site`, or ask with group_by=site")
    points = []
    for row in rows:
        start = starts(row["time_zone"], row["day"], quarters=quarters)[row["number"] - 1]
        if (since is None or start >= since) and (until is None or start < until):
            points.append({"day": row["day"], "start": start, **occupancy(row)})
    return points


@router.get("/profile", response_model=Profile, responses=READ_ONE)
async def read_occupancy_profile(database: Database, selection: Selected) -> Response:
    """Occupancy by local hour of the day and day of the week, over the whole period.

    An hour that the clocks skip or repeat counts as often as it came.
    """
    rows = await queries.hours(database, selection, None, quarters=False)
    seconds: dict[tuple[int | None, int | None], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        weekday = row["day"].isoweekday()
        hour = starts(row["time_zone"], row["day"], quarters=False)[row["number"] - 1].hour
        for cell in ((weekday, hour), (None, hour), (weekday, None)):
            seconds[cell][0] += row["occupied_seconds"]
            seconds[cell][1] += row["watched_seconds"]
    cells = [
        {
            "weekday": weekday,
            "hour": hour,
            **occupancy({"occupied_seconds": occupied, "watched_seconds": watched}),
        }
        for (weekday, hour), (occupied, watched) in sorted(
            seconds.items(), key=lambda item: (item[0][0] or 0, -1 if item[0][1] is None else item[0][1])
        )
    ]
    return answer(
        selection,
        rows,
        by_weekday_and_hour=[cell for cell in cells if cell["weekday"] is not None and cell["hour"] is not None],
        by_hour=[cell for cell in cells if cell["weekday"] is None],
        by_weekday=[cell for cell in cells if cell["hour"] is None],
    )


@router.get("/peak", response_model=Peaks, responses=READ_ONE)
async def read_peaks(database: Database, selection: Selected, group_by: Grouping = None) -> Response:
    """When it was fullest: the quarter hour with the most occupied spaces, of each site, or of its zones or kinds."""
    rows = await queries.peaks(database, selection, group_by)
    peaks = [
        {
            "site_id": row["site_id"],
            "zone": row["zone"] or None,
            "kind": row["kind"] or None,
            "start": local(int(row["peak_at"].timestamp()), row["time_zone"]),
            "occupied_spaces": round(row["peak_occupied"] / QUARTER, 2),
            "watched_spaces": round(row["peak_watched"] / QUARTER, 2),
            "occupancy_rate": ratio(row["peak_occupied"], row["peak_watched"]),
        }
        for row in rows
    ]
    return answer(selection, rows, peaks=peaks)
