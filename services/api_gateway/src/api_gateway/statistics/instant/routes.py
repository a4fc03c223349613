"""The state of spaces at any moment of the past: as it was shown, or as it happened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import Query

from api_gateway.http.fields import FilterText, Instant
from api_gateway.http.openapi import READ_ONE
from api_gateway.http.problems import not_found
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import SpacesReader
from api_gateway.identity.database import Database
from api_gateway.statistics.history.selection import refused
from api_gateway.statistics.instant import queries
from api_gateway.statistics.instant.models import Basis, SpaceThen, StateAt, ZoneThen
from api_gateway.statistics.now import StateCounts
from api_gateway.statistics.states import count_states, occupancy_rate

router = NounRouter(prefix="/api/v6/statistics", tags=["statistics"])
CLOCKS_DIFFER = timedelta(seconds=60)


@router.get("/at", responses=READ_ONE)
async def read_state_at(
    caller: SpacesReader,
    database: Database,
    at: Annotated[
        Instant,
        Query(description="a moment of the past, with its offset", examples=["2026-05-04T10:00:00+02:00"]),
    ],
    basis: Annotated[
        Basis, Query(description="`shown`: what was displayed then; `stays`: what is known today to have happened")
    ] = Basis.SHOWN,
    site: Annotated[UUID | None, Query(description="only this site")] = None,
    zone: Annotated[FilterText | None, Query(description="only zones of this name", examples=["visitors"])] = None,
    space: Annotated[UUID | None, Query(description="only this space, and with its state")] = None,
) -> StateAt:
    """What state spaces were in at a moment, counted where they stood then.

    The two histories differ where a reading came late: it corrects the stays, and leaves what was shown as it was.
    From before what is kept (400 days, unless configured otherwise) the oldest that is known is told.
    """
    if at > datetime.now(UTC) + CLOCKS_DIFFER:
        raise refused("at", "lies in the future")
    of_stays = basis is Basis.STAYS
    found = None
    if space is not None:
        found = await queries.state_of_space(database, caller.tenant_id, at, space, of_stays=of_stays)
        if found is None:
            raise not_found("space with a past at that moment:", space)
    rows = await queries.count_states(database, caller.tenant_id, at, (site, zone, space), of_stays=of_stays)
    return StateAt(
        at=at,
        basis=basis,
        all=StateCounts(**_counts(rows)),
        by_zone=[ZoneThen(site_id=key[0], zone=key[1], **_counts(members)) for key, members in _by_zone(rows).items()],
        space=SpaceThen(**found) if found else None,
    )


def _by_zone(rows: Iterable[asyncpg.Record]) -> dict[tuple[UUID, str | None], list[asyncpg.Record]]:
    zones = defaultdict(list)
    for row in rows:
        zones[row["site_id"], row["zone"]].append(row)
    return zones


def _counts(rows: Iterable[asyncpg.Record]) -> dict[str, Any]:
    counts = count_states(rows)
    return {**counts, "occupancy_rate": occupancy_rate(counts)}
