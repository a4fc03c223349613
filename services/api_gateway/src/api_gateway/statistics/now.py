"""Statistics of now: how many spaces are in which state, in all and by place and kind."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import Query
from pydantic import BaseModel, Field

from api_gateway.http.openapi import READ
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import SpacesReader
from api_gateway.identity.database import Database
from api_gateway.statistics import queries
from api_gateway.statistics.states import count_states, occupancy_rate
from parking_contracts.space import SpaceKind

router = NounRouter(prefix="/api/v6/spaces", tags=["statistics"])

# GROUPING bits of (site_id, building, floor, zone, kind): 0 where the row is grouped by the column.
ALL, BY_SITE, BY_BUILDING, BY_FLOOR, BY_ZONE, BY_KIND = 0b11111, 0b01111, 0b00111, 0b00011, 0b01101, 0b11110
_SITE = ("site_id", "site_name")


class StateCounts(BaseModel):
    """Spaces per state."""

    total: int = 0
    free: int = 0
    occupied: int = 0
    reserved: int = 0
    maintenance: int = 0
    unknown: int = 0
    occupancy_rate: float | None = Field(
        default=None,
        description="occupied / (free + occupied + reserved): what cannot be used, or is not known, does not count",
        examples=[0.73],
    )


class SiteCounts(StateCounts):
    """Spaces per state of one site."""

    site_id: UUID
    site_name: str = Field(examples=["Market Square"])


class BuildingCounts(SiteCounts):
    """Spaces per state of one building (null: spaces that name none)."""

    building: str | None = Field(examples=["North"])


class FloorCounts(BuildingCounts):
    """Spaces per state of one floor."""

    floor: str | None = Field(examples=["P2"])


class ZoneCounts(SiteCounts):
    """Spaces per state of one zone."""

    zone: str | None = Field(examples=["visitors"])


class KindCounts(StateCounts):
    """Spaces per state of one kind."""

    kind: SpaceKind


class OccupancyNow(BaseModel):
    """The live spaces of the tenant, or of one site, at one moment."""

    counted_at: datetime
    all: StateCounts
    by_site: list[SiteCounts]
    by_building: list[BuildingCounts]
    by_floor: list[FloorCounts]
    by_zone: list[ZoneCounts]
    by_kind: list[KindCounts]


@router.get("/stats/occupancy", responses=READ)
async def count_spaces(
    caller: SpacesReader,
    database: Database,
    site: Annotated[UUID | None, Query(description="only this site")] = None,
) -> OccupancyNow:
    """How many spaces are in which state now: in all, and by site, building, floor, zone and kind."""
    rows = await queries.count_states(database, caller.tenant_id, site)
    everything = _counts(rows, ALL)
    return OccupancyNow.model_validate(
        {
            "counted_at": rows[0]["counted_at"] if rows else datetime.now(UTC),
            "all": everything[0] if everything else StateCounts(),
            "by_site": _counts(rows, BY_SITE, *_SITE),
            "by_building": _counts(rows, BY_BUILDING, *_SITE, "building"),
            "by_floor": _counts(rows, BY_FLOOR, *_SITE, "building", "floor"),
            "by_zone": _counts(rows, BY_ZONE, *_SITE, "zone"),
            "by_kind": _counts(rows, BY_KIND, "kind"),
        }
    )


def _counts(rows: Iterable[asyncpg.Record], grouped: int, *names: str) -> list[dict[str, Any]]:
    """One entry per place or kind, its states side by side."""
    members: dict[tuple[Any, ...], list[asyncpg.Record]] = {}
    for row in rows:
        if row["grouped"] == grouped:
            members.setdefault(tuple(row[name] for name in names), []).append(row)
    counted = {key: count_states(of_place) for key, of_place in members.items()}
    return [
        {**dict(zip(names, key, strict=True)), **counts, "occupancy_rate": occupancy_rate(counts)}
        for key, counts in counted.items()
    ]
