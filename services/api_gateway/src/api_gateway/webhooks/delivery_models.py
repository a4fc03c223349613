"""Deliveries, their attempts and replays as HTTP shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

import asyncpg
from fastapi import Path, Query
from pydantic import BaseModel, Field, model_validator

from api_gateway.http.cursors import NextCursor
from api_gateway.http.fields import Body, Instant, RequestId
from api_gateway.live.position import EVENT_ID, EventIds, Position

DeliveryId = Annotated[UUID, Path(description="the delivery's id")]
ReplayId = Annotated[UUID, Path(description="the replay's id")]
DeliveryState = Literal["pending", "delivered", "failed", "cancelled"]
StateFilter = Annotated[DeliveryState | None, Query(description="only those in this state")]
DeliveryLimit = Annotated[int, Query(ge=1, le=200, description="how many to return")]


class WebhookDelivery(BaseModel):
    """One event on its way to one endpoint."""

    id: UUID
    endpoint_id: UUID
    event_id: str = Field(
        description="sent as `webhook-id`, the same at every attempt", examples=["0199d6f0-2a31-7c51-9d0e-5b8c1f6a7e01"]
    )
    event_type: str = Field(description="its `type`", examples=["space.state_changed"])
    state: DeliveryState = Field(
        description="`pending` until a 2xx (`delivered`) or the last retry (`failed`); `cancelled`: see `last_error`",
        examples=["delivered"],
    )
    stream: str | None = Field(description="where the event stands on the bus; null for a test", examples=["SPACES"])
    sequence: int | None = Field(description="its place there", examples=[1043])
    replay: int = Field(description="0 for what came live, else the number of the replay", examples=[0])
    attempts: int = Field(description="how many were begun", examples=[1])
    next_attempt_at: datetime | None = Field(description="when it is tried next, while it is pending", examples=[None])
    last_attempt_at: datetime | None
    last_status: int | None = Field(description="the receiver's last HTTP status, if it gave one", examples=[204])
    last_error: str | None = Field(description="what went wrong last, or why it was cancelled", examples=[None])
    created_at: datetime
    finished_at: datetime | None = Field(description="when it was delivered, given up or cancelled")


class WebhookDeliveryPage(BaseModel):
    """Some of an endpoint's deliveries, newest first."""

    items: list[WebhookDelivery]
    next_cursor: NextCursor


class WebhookAttempt(BaseModel):
    """One request to the receiver."""

    number: int = Field(examples=[1])
    started_at: datetime
    seconds: float = Field(description="until its answer, or until we gave up on it", examples=[0.084])
    status: int | None = Field(description="the receiver's HTTP status, if it gave one", examples=[204])
    error: str | None = Field(description="what went wrong", examples=[None])


class WebhookDeliveryDetails(WebhookDelivery):
    """A delivery with what is sent and what became of it."""

    body: str = Field(
        description="what is posted, byte for byte",
        examples=['{"type":"space.state_changed","timestamp":"2026-05-04T10:00:00+00:00","data":{"state":"occupied"}}'],
    )
    attempt_log: list[WebhookAttempt] = Field(description="the newest 100, in order")


class NewWebhookReplay(Body):
    """From where events are sent again, to where the streams stand now: `after` an event id, or `since` a time."""

    after: str | None = Field(
        default=None,
        pattern=EVENT_ID,
        description="behind this event id of the live stream (`<spaces>.<reservations>`)",
        examples=["1042.17"],
    )
    since: Instant | None = Field(default=None, description="from this time on (RFC 3339, with an offset)")
    request_id: RequestId = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.after is None) == (self.since is None):
            raise ValueError("give after or since, one of them")
        return self


class WebhookReplay(BaseModel):
    """Events of the past that are sent again, and how far that has come."""

    id: UUID
    endpoint_id: UUID
    number: int = Field(description="its deliveries carry it as `replay`", examples=[3])
    state: Literal["running", "done", "cut"] = Field(
        description="`cut`: ended early, at the bound on its deliveries or because the endpoint was disabled",
        examples=["done"],
    )
    after: str = Field(description="where it began, as an event id", examples=["1042.17"])
    position: str = Field(description="how far it has come", examples=["1043.17"])
    until: str = Field(description="where it ends", examples=["1043.17"])
    deliveries: int = Field(description="how many it has made", examples=[1])
    lost: bool = Field(description="the streams no longer held its beginning: events are missing", examples=[False])
    created_at: datetime
    finished_at: datetime | None


class WebhookReplayList(BaseModel):
    """An endpoint's newest 100 replays, newest first."""

    items: list[WebhookReplay]


def shown_replay(row: asyncpg.Record, ids: EventIds) -> WebhookReplay:
    """A replay from its row."""
    places: dict[str, Position] = {
        name: (row[f"spaces_{name}"], row[f"reservations_{name}"]) for name in ("after", "position", "until")
    }
    return WebhookReplay(**dict(row), **{name: ids.of(place) for name, place in places.items()})
