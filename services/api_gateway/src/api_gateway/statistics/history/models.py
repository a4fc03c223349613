"""Figures of the past as HTTP shows them. Seconds, spaces, and shares from 0 to 1."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from parking_contracts.space import SpaceKind

Rate = Annotated[
    float | None, Field(description="occupied of watched seconds; null where nothing was watched", examples=[0.73])
]
Occupied = Annotated[int, Field(description="seconds in which a space was occupied", examples=[2628])]
Watched = Annotated[int, Field(description="seconds in which a sensor watched a space", examples=[3600])]
ComputedUntil = Annotated[
    datetime | None, Field(description="until when figures go in; the engine moves it about once a minute")
]


class Answered(BaseModel):
    """What was asked, and how current the answer is."""

    first_day: date = Field(description="`from`: the first local day")
    end_day: date = Field(description="`to`: the local day after the last")
    computed_until: ComputedUntil


class SeriesKey(BaseModel):
    """What a series is of; null where it tells no such thing apart, and for spaces without a zone."""

    site_id: UUID | None = Field(default=None, description="with group_by=site or zone")
    zone: str | None = Field(default=None, description="with group_by=zone", examples=["visitors"])
    kind: SpaceKind | None = Field(default=None, description="with group_by=kind")


class OccupancyPoint(BaseModel):
    """Occupancy of one interval."""

    day: date = Field(description="the local day in which it begins")
    start: datetime | None = Field(
        description="when it begins, in local time with its offset; null where sites have different time zones",
        examples=["2026-05-04T10:00:00+02:00"],
    )
    occupancy_rate: Rate
    occupied_seconds: Occupied
    watched_seconds: Watched


class OccupancySeries(SeriesKey):
    """Occupancy over time; intervals in which nothing was watched are left out."""

    points: list[OccupancyPoint]


class OccupancyHistory(Answered):
    """Occupancy over time."""

    interval: str = Field(description="as asked for", examples=["hour"])
    series: list[OccupancySeries]


class ProfileCell(BaseModel):
    """Occupancy in an hour of the day, on a day of the week, or both."""

    weekday: int | None = Field(ge=1, le=7, description="1 is Monday; null: all of them")
    hour: int | None = Field(ge=0, le=23, description="local hour of the day; null: all of them")
    occupancy_rate: Rate
    occupied_seconds: Occupied
    watched_seconds: Watched


class Profile(Answered):
    """How full it is at which hour of which weekday."""

    by_weekday_and_hour: list[ProfileCell]
    by_hour: list[ProfileCell]
    by_weekday: list[ProfileCell]


class TurnoverPoint(BaseModel):
    """Arrivals of one interval."""

    day: date = Field(description="its first local day")
    arrivals: int = Field(description="vehicles that came", examples=[412])
    space_days: float = Field(description="spaces that were watched, times days", examples=[50.0])
    turnover: float | None = Field(description="arrivals per space and day", examples=[8.24])


class TurnoverSeries(SeriesKey):
    """Turnover over time, and of the whole period."""

    arrivals: int = Field(examples=[2884])
    space_days: float = Field(examples=[350.0])
    turnover: float | None = Field(examples=[8.24])
    points: list[TurnoverPoint]


class Turnover(Answered):
    """How often spaces change hands."""

    interval: str = Field(description="as asked for", examples=["day"])
    series: list[TurnoverSeries]


class HistogramBar(BaseModel):
    """Stays of about the same length."""

    over_seconds: float = Field(description="they lasted longer", examples=[1672.2])
    up_to_seconds: float = Field(description="and at most", examples=[1839.4])
    stays: int = Field(examples=[57])


class DwellSeries(SeriesKey):
    """How long vehicles stayed: quantiles within 5 % of the exact ones, count and mean exact to the second."""

    stays: int = Field(description="stays whose end a sensor saw in the period", examples=[2871])
    mean_seconds: float | None = Field(examples=[2511.3])
    p50_seconds: float | None = Field(examples=[1754.0])
    p90_seconds: float | None = Field(examples=[5505.1])
    p95_seconds: float | None = Field(examples=[7327.0])
    p99_seconds: float | None = Field(examples=[14278.0])
    histogram: list[HistogramBar]


class Dwell(Answered):
    """How long vehicles stayed."""

    series: list[DwellSeries]


class Peak(BaseModel):
    """The fullest quarter hour."""

    site_id: UUID
    zone: str | None = Field(description="null: the whole site, or spaces without a zone", examples=["visitors"])
    kind: SpaceKind | None = Field(description="null: all of them")
    start: datetime = Field(
        description="when it began, in local time with its offset", examples=["2026-05-04T10:15:00+02:00"]
    )
    occupied_spaces: float = Field(description="on average over the quarter hour", examples=[47.5])
    watched_spaces: float = Field(description="the same of all that were watched", examples=[50.0])
    occupancy_rate: Rate


class Peaks(Answered):
    """When it was fullest."""

    peaks: list[Peak]


class SpaceFigures(BaseModel):
    """One space over the period."""

    space_id: UUID
    code: str = Field(examples=["A-17"])
    site_id: UUID = Field(description="where it is now")
    zone: str | None = Field(examples=["visitors"])
    kind: SpaceKind
    occupancy_rate: Rate
    occupied_seconds: Occupied
    watched_seconds: Watched
    arrivals: int = Field(examples=[61])
    arrivals_per_day: float | None = Field(description="per day watched", examples=[8.7])
    mean_dwell_seconds: float | None = Field(examples=[2511.3])


class SpacesHistory(Answered):
    """Spaces with their figures."""

    total: int = Field(description="how many there are, on all pages", examples=[1])
    limit: int
    offset: int
    items: list[SpaceFigures]
