"""How often spaces change hands, how long vehicles stay, and which spaces stand out."""

from __future__ import annotations

from enum import StrEnum
from itertools import groupby
from typing import Annotated, Any

import asyncpg
from fastapi import Depends, Query, Response

from api_gateway.http.openapi import READ_ONE
from api_gateway.http.paging import Paging
from api_gateway.http.routes import NounRouter
from api_gateway.http.sorting import sort_by
from api_gateway.identity.database import Database
from api_gateway.statistics.history import queries
from api_gateway.statistics.history.answers import Rows, Values, add_up, answer, in_series, ratio
from api_gateway.statistics.history.models import Dwell, SpaceFigures, SpacesHistory, Turnover
from api_gateway.statistics.history.selection import GroupBy, Grouping, Selected
from parking_contracts.dwell import bounds_of, quantile_of

router = NounRouter(prefix="/api/v6/statistics", tags=["statistics"])
SECONDS_PER_DAY = 86_400
QUANTILES = {"p50_seconds": 0.5, "p90_seconds": 0.9, "p95_seconds": 0.95, "p99_seconds": 0.99}
ORDER = sort_by(queries.SPACE_ORDER, default="-occupancy_rate", tie="space_id")


class DayInterval(StrEnum):
    """How long each point lasts."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@router.get("/turnover", response_model=Turnover, responses=READ_ONE)
async def read_turnover(
    database: Database,
    selection: Selected,
    interval: Annotated[DayInterval, Query(description="how long each point lasts; a week begins on Monday")] = (
        DayInterval.DAY
    ),
    group_by: Grouping = None,
) -> Response:
    """Arrivals per space and day, over time and in all. Only time in which a sensor watched counts."""
    selection.require_points(1)
    rows = await queries.sums(database, selection, group_by, interval)
    series = in_series(
        rows, group_by, lambda days: {**_turnover(days), "points": [{"day": d["day"], **_turnover([d])} for d in days]}
    )
    return answer(selection, rows, interval=interval, series=series)


def _turnover(rows: list[asyncpg.Record]) -> Values:
    arrivals, watched = add_up(rows, "arrivals"), add_up(rows, "watched_seconds")
    return {
        "arrivals": arrivals,
        "space_days": round(watched / SECONDS_PER_DAY, 4),
        "turnover": ratio(arrivals * SECONDS_PER_DAY, watched),
    }


@router.get("/dwell", response_model=Dwell, responses=READ_ONE)
async def read_dwell(database: Database, selection: Selected, group_by: Grouping = None) -> Response:
    """How long vehicles stayed: mean, quantiles and histogram of the stays that ended in the period.

    Quantiles are read from the histogram, whose bars grow by a tenth, and are within 5 % of the exact ones. A stay that
    still runs, or that ended because its sensor was taken off, is not in.
    """
    rows = await queries.sums(database, selection, group_by, None)
    counts = _counts(await queries.dwell(database, selection, group_by), group_by)
    names = queries.SERIES[group_by]
    series = in_series(
        rows, group_by, lambda members: _dwell(members, counts.get(tuple(members[0][name] for name in names), {}))
    )
    return answer(selection, rows, series=series)


def _counts(rows: Rows, group_by: GroupBy | None) -> dict[tuple[Any, ...], dict[int, int]]:
    """The histogram of each series."""
    names = queries.SERIES[group_by]
    return {
        key: {row["bucket"]: row["stays"] for row in members}
        for key, members in groupby(rows, key=lambda row: tuple(row[name] for name in names))
    }


def _dwell(rows: list[asyncpg.Record], counts: dict[int, int]) -> Values:
    stays, seconds = add_up(rows, "departures"), add_up(rows, "dwell_seconds")
    quantiles = {name: quantile_of(counts, share) for name, share in QUANTILES.items()}
    return {
        "stays": stays,
        "mean_seconds": round(seconds / stays, 1) if stays else None,
        **{name: None if value is None else round(value, 1) for name, value in quantiles.items()},
        "histogram": [
            {"over_seconds": round(low, 1), "up_to_seconds": round(high, 1), "stays": count}
            for (low, high), count in ((bounds_of(bucket), count) for bucket, count in sorted(counts.items()))
        ],
    }


@router.get("/spaces", responses=READ_ONE)
async def list_space_figures(
    database: Database, selection: Selected, page: Paging, order: Annotated[str, Depends(ORDER)]
) -> SpacesHistory:
    """The spaces with their figures over the period: the fullest first, unless `sort` says otherwise."""
    total, rows = await queries.spaces(database, selection, order, limit=page.limit, offset=page.offset)
    return SpacesHistory(
        first_day=selection.first,
        end_day=selection.end,
        computed_until=await queries.computed_until(database, selection),
        **page.of(total),
        items=[SpaceFigures(**row) for row in rows],
    )
