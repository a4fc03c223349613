"""What a question about the past is about: which places and kinds, which local days, and in which series.

One rule of time zones: a date is a local day of the site, so that several sites in several zones answer each in its
own days. A moment needs an offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Depends, Query
from pydantic import AfterValidator, BeforeValidator

from api_gateway.http.fields import FilterText
from api_gateway.http.problems import ProblemError, not_found
from api_gateway.identity.authentication import SpacesReader
from api_gateway.identity.database import Database
from api_gateway.statistics.history import queries
from parking_contracts.errors import ErrorCode
from parking_contracts.space import SpaceKind

ONE_DAY = timedelta(days=1)
DEFAULT_DAYS = 7
MOST_DAYS = 1_100
MOST_POINTS = 10_000


def _as_written(value: object) -> object:
    """Not what else Pydantic takes for a date: numbers, and moments at midnight."""
    if isinstance(value, str) and len(value) != len("2026-01-01"):
        raise ValueError("expected a date such as 2026-05-04")
    return value


def _in_reach(day: date) -> date:
    if not date(1970, 1, 2) <= day <= date(2199, 12, 31):
        raise ValueError("expected a date from 1970-01-02 to 2199-12-31")
    return day


Day = Annotated[date, BeforeValidator(_as_written), AfterValidator(_in_reach)]


class GroupBy(StrEnum):
    """What gets a series of its own."""

    SITE = "site"
    ZONE = "zone"
    KIND = "kind"


@dataclass(frozen=True)
class Selection:
    """Which rollups answer: every level of detail has rows of its own, so each day of a series is one row."""

    tenant_id: UUID
    first: date
    end: date
    site: UUID | None
    zone: str | None
    kind: SpaceKind | None
    zones: frozenset[str]

    def level(self, group_by: GroupBy | None) -> str:
        """The level whose rows tell just what is asked for apart."""
        by_zone = self.zone is not None or group_by is GroupBy.ZONE
        by_kind = self.kind is not None or group_by is GroupBy.KIND
        return {(True, True): "zone_kind", (True, False): "zone", (False, True): "kind"}.get((by_zone, by_kind), "site")

    def require_points(self, per_day: float) -> None:
        """Refuse what would be more points than an answer holds.

        Raises:
            ProblemError: VALIDATION_ERROR.
        """
        if (self.end - self.first).days * per_day > MOST_POINTS + 1:
            raise too_many_points()


def too_many_points() -> ProblemError:
    """More than an answer holds."""
    return refused(
        "interval", f"gives more than {MOST_POINTS} points; ask for a longer interval, fewer days or fewer series"
    )


def refused(field: str, message: str) -> ProblemError:
    """A parameter that cannot be accepted, in the words of every other one."""
    errors = [{"field": f"query.{field}", "message": message}]
    return ProblemError(ErrorCode.VALIDATION_ERROR, f"query.{field}: {message}", details={"errors": errors})


async def _select(
    caller: SpacesReader,
    database: Database,
    from_: Annotated[
        Day | None, Query(alias="from", description="the first local day; by default the period is 7 days")
    ] = None,
    to: Annotated[Day | None, Query(description="the local day after the last; by default tomorrow")] = None,
    site: Annotated[UUID | None, Query(description="only this site")] = None,
    zone: Annotated[FilterText | None, Query(description="only zones of this name", examples=["visitors"])] = None,
    kind: Annotated[SpaceKind | None, Query(description="only spaces of this kind")] = None,
) -> Selection:
    zones = await queries.time_zones(database, caller.tenant_id, site)
    if site is not None and not zones:
        raise not_found("site", site)
    if to is None:
        to = max((datetime.now(ZoneInfo(one)).date() for one in zones), default=datetime.now(UTC).date()) + ONE_DAY
        to = max(to, from_ + ONE_DAY) if from_ else to
    first = to - DEFAULT_DAYS * ONE_DAY if from_ is None else from_
    if first >= to:
        raise refused("to", "must be after `from`: it is the day after the last")
    if (to - first).days > MOST_DAYS:
        raise refused("from", f"begins more than {MOST_DAYS} days before `to`")
    return Selection(caller.tenant_id, first, to, site, zone, kind, frozenset(zones))


Selected = Annotated[Selection, Depends(_select)]
Grouping = Annotated[
    GroupBy | None, Query(description="a series for each; without it there is one, over all that is selected")
]
