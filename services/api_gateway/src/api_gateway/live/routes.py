"""The route of the live event stream."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response

from api_gateway.gateway import gateway_of
from api_gateway.http.fields import FilterText
from api_gateway.http.openapi import READ
from api_gateway.http.problems import ProblemError, unavailable
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import EventsReader
from api_gateway.live.event_name import EventName
from api_gateway.live.position import EventIds, Place
from api_gateway.live.response import EventStream
from api_gateway.live.subscription import EventFilter
from parking_contracts.errors import ErrorCode

router = NounRouter(prefix="/api/v6/events", tags=["events"])

COME_BACK_LATER = {"Retry-After": "30"}
_EXAMPLE = """\
retry: 1000
: connected

id: 1042.17

id: 1043.17
event: space.state_changed
data: {"tenant_id":"...","space_id":"...","code":"A-17","previous":"free","state":"occupied","version":8}

"""


def _after(ids: EventIds, header: str | None, query: str | None) -> Place | None:
    text = header or query
    if not text:
        return None
    try:
        return ids.read(text)
    except ValueError as error:
        where = ("header", "Last-Event-ID") if header else ("query", "last_event_id")
        raise RequestValidationError([{"loc": where, "msg": str(error), "type": "event_id"}]) from error


@router.get(
    "",
    response_class=Response,
    responses={
        **READ,
        200: {
            "description": "The stream, until the client closes it. `event: reset` says that events were lost and "
            "the state must be read again; comments every 15 s show that it lives.",
            "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
        },
    },
)
async def follow_events(
    caller: EventsReader,
    request: Request,
    site: Annotated[list[UUID] | None, Query(description="only these sites", max_length=100)] = None,
    zone: Annotated[list[FilterText] | None, Query(description="only these zones", max_length=100)] = None,
    type_: Annotated[
        list[EventName] | None, Query(alias="type", description="only these events", max_length=20)
    ] = None,
    last_event_id: Annotated[
        str | None, Header(max_length=50, description="go on behind this event, without a gap")
    ] = None,
    after: Annotated[
        str | None,
        Query(alias="last_event_id", max_length=50, description="the same, for clients that cannot set headers"),
    ] = None,
) -> Response:
    """Follow what happens to the tenant's spaces, as server-sent events.

    `event` is the kind, `data` the event as JSON, `id` the place to resume from. Versions of one space come in order.
    """
    gateway = gateway_of(request)
    place = _after(gateway.feed.ids, last_event_id, after)
    if not gateway.feed.is_following:
        raise unavailable("the event stream")
    if gateway.feed.is_full_for(caller.tenant_id):
        raise ProblemError(
            ErrorCode.RATE_LIMITED,
            "too many event streams of this tenant are open: close some",
            headers=COME_BACK_LATER,
        )
    return EventStream(
        gateway.feed,
        gateway.bus,
        event_filter=EventFilter(
            caller.tenant_id, frozenset(site or ()), frozenset(zone or ()), frozenset(type_ or ())
        ),
        credential=caller.credential,
        after=place,
        heartbeat_seconds=gateway.settings.events_heartbeat_seconds,
    )
