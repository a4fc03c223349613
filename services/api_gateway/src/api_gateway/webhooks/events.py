"""One event of the bus as endpoints get it. Pure.

In: a message of SPACES or RESERVATIONS (a CloudEvent in binary mode). Out: what filters ask about, and the request's
body: `{"type", "timestamp", "data"}` with the event's own type, time and payload. The event's id becomes `webhook-id`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from api_gateway.live.announcement import UnreadableEventError, read_announcement
from api_gateway.live.position import FOLLOWED

HEADERS = ("ce-type", "ce-id", "ce-time")
TEST_EVENT = "webhook.test"


class WebhookEvent(msgspec.Struct, frozen=True, kw_only=True):
    """`site_id` of a reservation's event is that of its space and not known here; `stored_at` is the stream's clock."""

    tenant_id: UUID
    event_id: str
    event_type: str
    space_id: UUID
    site_id: UUID | None
    stream: str
    sequence: int
    stored_at: datetime
    body: bytes


class _Body(msgspec.Struct, frozen=True):
    type: str
    timestamp: str
    data: msgspec.Raw


def make_body(event_type: str, timestamp: str, data: bytes) -> bytes:
    """The body of a request."""
    return msgspec.json.encode(_Body(event_type, timestamp, msgspec.Raw(data)))


def read_event(
    stream: int, sequence: int, headers: Mapping[str, str], data: bytes, stored_at: datetime
) -> WebhookEvent:
    """The event in a message; without an id or a time of its own it gets those of its place in the stream.

    Raises:
        UnreadableEventError: Its type or its payload is not one that we know.
    """
    told = read_announcement(stream, sequence, headers, data)
    try:
        data.decode()  # it is passed on as it is, and signed as text
    except UnicodeDecodeError as error:
        raise UnreadableEventError(str(error)) from error
    name = FOLLOWED[stream].name
    return WebhookEvent(
        tenant_id=told.tenant_id,
        event_id=headers.get("ce-id") or f"{name}.{sequence}",
        event_type=told.name,
        space_id=told.space_id,
        site_id=told.site_id,
        stream=name,
        sequence=sequence,
        stored_at=stored_at,
        body=make_body(told.name, headers.get("ce-time") or stored_at.isoformat(), data),
    )
