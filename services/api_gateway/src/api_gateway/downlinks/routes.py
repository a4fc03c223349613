"""Routes for downlinks: reads from the directory, taking back and repeating as commands to their owner."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import asyncpg
import msgspec
from fastapi import Depends, Path, Query, Request, Response

from api_gateway.downlinks import queries
from api_gateway.downlinks.models import Downlink, DownlinkDetails, DownlinkPage, DownlinkStep
from api_gateway.http.commands import Commands
from api_gateway.http.cursors import Cursor, make_cursor, read_cursor
from api_gateway.http.fields import Eui, Instant, Limit
from api_gateway.http.openapi import READ, READ_ONE, WRITE
from api_gateway.http.paging import link_next
from api_gateway.http.problems import not_found
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import Caller, DownlinksReader, DownlinksWriter
from api_gateway.identity.database import Database, transaction_of
from parking_contracts.downlink import DownlinkKind, DownlinkStatus
from parking_contracts.downlink_commands import CancelDownlink, RetryDownlink
from parking_contracts.moment import Moment

PATH = "/api/v6/downlinks"
router = NounRouter(prefix=PATH, tags=["downlinks"])
DownlinkId = Annotated[UUID, Path(description="the downlink's id")]


Narrowing = tuple[list[str] | None, str | None, datetime | None, datetime | None]


class _Made(msgspec.Struct, frozen=True):
    """What is needed of an owner's answer."""

    id: UUID


async def narrow(
    status: Annotated[
        list[DownlinkStatus] | None, Query(description="only in these statuses; repeat it for several", max_length=8)
    ] = None,
    kind: Annotated[DownlinkKind | None, Query(description="only of this kind")] = None,
    since: Annotated[Instant | None, Query(alias="from", description="made at this moment or later")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="made before this moment")] = None,
) -> Narrowing:
    """The filters that every list of downlinks has."""
    return list(status) if status else None, kind, since, until


Narrowed = Annotated[Narrowing, Depends(narrow)]


@router.get("", responses=READ)
async def list_downlinks(
    caller: DownlinksReader,
    database: Database,
    request: Request,
    response: Response,
    narrowed: Narrowed,
    device: Annotated[Eui | None, Query(description="only to this display")] = None,
    space: Annotated[UUID | None, Query(description="only of this space")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> DownlinkPage:
    """What was sent to the tenant's displays, or waits to be, the newest first.

    A display's state is sent until it is shown, so one change may have several downlinks; `status` says which one
    arrived. They are kept for 90 days unless `keep_downlinks_days` says otherwise.
    """
    bound_to = ("downlinks", caller.tenant_id)
    before = read_cursor(cursor, tuple[Moment, UUID], *bound_to)
    rows = await queries.list_downlinks(database, caller.tenant_id, (device, space, *narrowed), before, limit + 1)
    return page_of(request, response, rows, limit, bound_to)


def page_of(
    request: Request, response: Response, rows: queries.Rows, limit: int, bound_to: tuple[object, ...]
) -> DownlinkPage:
    """The first `limit` rows, and where to go on if there are more."""
    shown = rows[:limit]
    more = make_cursor((shown[-1]["created_at"], shown[-1]["id"]), *bound_to) if len(rows) > limit else None
    link_next(request, response, more)
    return DownlinkPage(items=[Downlink(**row) for row in shown], next_cursor=more)


@router.get("/{downlink_id}", responses=READ_ONE)
async def get_downlink(caller: DownlinksReader, database: Database, downlink_id: DownlinkId) -> DownlinkDetails:
    """One downlink with its history: queued, sent, transmitted, acknowledged, and what went wrong between."""
    row = await queries.get_downlink(database, caller.tenant_id, downlink_id)
    if row is None:
        raise not_found("downlink", downlink_id)
    steps = await queries.list_steps(database, caller.tenant_id, downlink_id)
    return DownlinkDetails(**row, history=[DownlinkStep(**step) for step in steps])


@router.post("/{downlink_id}/cancel", responses=WRITE)
async def cancel_downlink(
    caller: DownlinksWriter, commands: Commands, request: Request, downlink_id: DownlinkId
) -> Downlink:
    """Take back a client's own downlink that still waits here; once it was sent it is DOWNLINK_NOT_QUEUED."""
    await commands.send(caller, CancelDownlink(id=downlink_id))
    return await as_stored(request, caller, downlink_id)


@router.post("/{downlink_id}/retry", status_code=201, responses=WRITE)
async def retry_downlink(
    caller: DownlinksWriter, commands: Commands, request: Request, response: Response, downlink_id: DownlinkId
) -> Downlink:
    """Send a client's own downlink once more that failed, expired or was cancelled; `Location` names the new one.

    One that may still arrive is refused as DOWNLINK_NOT_ENDED.
    """
    result = await commands.send(caller, RetryDownlink(id=downlink_id))
    return await as_made(request, response, caller, result)


async def as_made(request: Request, response: Response, caller: Caller, result: bytes) -> Downlink:
    """The downlink that a command has made, whose address `Location` tells."""
    made: UUID = msgspec.json.decode(result, type=_Made).id
    response.headers["Location"] = f"{PATH}/{made}"
    return await as_stored(request, caller, made)


async def as_stored(request: Request, caller: Caller, downlink_id: UUID) -> Downlink:
    """The downlink as the directory shows it now: the owner has committed before it answered."""
    async with transaction_of(request, caller) as connection:
        row: asyncpg.Record | None = await queries.get_downlink(connection, caller.tenant_id, downlink_id)
    if row is None:
        raise not_found("downlink", downlink_id)
    return Downlink(**row)
