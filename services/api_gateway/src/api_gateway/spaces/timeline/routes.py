"""The route of a space's timeline."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Request, Response

from api_gateway.http.cursors import Cursor, make_cursor, read_cursor
from api_gateway.http.fields import Instant
from api_gateway.http.openapi import READ_ONE
from api_gateway.http.paging import link_next
from api_gateway.http.problems import not_found
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import SpacesReader
from api_gateway.identity.database import Database
from api_gateway.spaces.timeline import queries
from api_gateway.spaces.timeline.models import EntryKind, Timeline
from api_gateway.spaces.timeline.telling import tell
from parking_contracts.moment import Moment

router = NounRouter(prefix="/api/v6/spaces", tags=["spaces"])
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
# No entry has this rank, so that one at the very moment `to` is behind it.
END = datetime(9999, 12, 31, tzinfo=UTC)
BEFORE_ALL = (-1, "")
# What has a right of its own where it is asked for by itself.
RIGHTS: dict[EntryKind, str] = {
    "uplink": "devices:read",
    "reservation": "reservations:read",
    "alert": "alerts:read",
    "downlink": "downlinks:read",
}


@router.get("/{space_id}/timeline", responses=READ_ONE)
async def show_timeline(
    caller: SpacesReader,
    database: Database,
    request: Request,
    response: Response,
    space_id: Annotated[UUID, Path(description="the space's id, deleted or not")],
    since: Annotated[Instant | None, Query(alias="from", description="at this moment or later")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="before this moment")] = None,
    cursor: Cursor = None,
    limit: Annotated[int, Query(ge=1, le=500, description="how many to return")] = 50,
) -> Timeline:
    """Everything that happened to the space as one explanation, the newest first.

    What its sensor said, the stays that follow from it, what was shown and which layer decided, steps of reservations,
    who asked for what by which request, the alerts of its devices, and how far each downlink to its display came.
    Uplinks reach back as far as readings are kept (30 days by default), downlinks 90 days, the rest as far as histories
    are (400 days). Uplinks, reservations, alerts and downlinks are shown to callers who may read devices,
    reservations, alerts and downlinks.
    """
    bound_to = ("timeline", caller.tenant_id, space_id)
    behind = read_cursor(cursor, tuple[Moment, int, str], *bound_to) or (until or END, *BEFORE_ALL)
    rows = await queries.list_entries(
        database,
        caller.tenant_id,
        space_id,
        since=since or BEGINNING,
        behind=behind,
        limit=limit + 1,
        without=[kind for kind, right in RIGHTS.items() if not caller.may(right)],
    )
    # Commands alone prove nothing: somebody may have asked for a space that is not there.
    if all(row["kind"] == "command" for row in rows) and not await queries.has_space(
        database, caller.tenant_id, space_id
    ):
        raise not_found("space", space_id)
    shown = rows[:limit]
    more = (
        make_cursor(tuple(shown[-1][name] for name in ("at", "rank", "key")), *bound_to) if len(rows) > limit else None
    )
    link_next(request, response, more)
    return Timeline(items=[tell(dict(row)) for row in shown], next_cursor=more)
