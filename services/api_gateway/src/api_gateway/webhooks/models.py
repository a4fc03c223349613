"""Endpoints of outgoing webhooks as HTTP shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from api_gateway.http.fields import Body, RequestId, absent, storable
from api_gateway.live.event_name import EventName

EndpointId = Annotated[UUID, Path(description="the endpoint's id")]
_URL = "https://hooks.example.com/parking"

Secret = Annotated[
    str | None,
    Field(
        description="verify our signatures with it; we do not show it again: where a repeated Idempotency-Key gets the "
        "first answer again, it is null. If you have lost it, rotate it",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwq0Vxmf1mEDc="],
    ),
]


Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2048),
    AfterValidator(storable),
    Field(description="https, a public host, no user or password in it", examples=[_URL]),
]
Description = Annotated[
    str,
    StringConstraints(max_length=500),
    AfterValidator(storable),
    Field(description="for people", examples=["our billing"]),
]
EventTypes = Annotated[
    list[EventName],
    Field(max_length=50, description="only these events; empty: all", examples=[["space.state_changed"]]),
]
SiteIds = Annotated[
    list[UUID], Field(max_length=100, description="only events of spaces on these sites; empty: all", examples=[[]])
]


class Webhook(BaseModel):
    """Where events are sent."""

    id: UUID
    url: str = Field(description="whom we post to", examples=[_URL])
    description: str = Field(description="for people", examples=["our billing"])
    event_types: list[str] = Field(description="only these events; empty: all", examples=[["space.state_changed"]])
    site_ids: list[UUID] = Field(description="only events of spaces on these sites; empty: all", examples=[[]])
    enabled: bool = Field(description="whether events are sent", examples=[True])
    disabled_reason: str | None = Field(description="why they are not", examples=[None])
    active_from: datetime = Field(description="events from then on are sent; earlier ones by a replay")
    failures: int = Field(description="attempts in a row that failed", examples=[0])
    failing_since: datetime | None = Field(description="since when they do", examples=[None])
    created_at: datetime
    updated_at: datetime = Field(description="when it was last changed by a request")


class WebhookPage(BaseModel):
    """Some of the endpoints, oldest first."""

    total: int = Field(description="how many there are, on all pages", examples=[1])
    limit: int
    offset: int
    items: list[Webhook]


class CreatedWebhook(Webhook):
    """A new endpoint and its secret, which is shown in this answer alone."""

    secret: Secret


class NewWebhook(Body):
    """An endpoint to be made."""

    url: Url
    description: Description = ""
    event_types: EventTypes = Field(default_factory=list)
    site_ids: SiteIds = Field(default_factory=list)
    id: UUID | None = Field(default=None, description="choose it to make a retry harmless; else one is made")
    request_id: RequestId = None


class WebhookChanges(Body):
    """The fields to change; what is absent stays."""

    url: Url = absent()
    description: Description = absent()
    event_types: EventTypes = absent()
    site_ids: SiteIds = absent()
    enabled: bool = absent(description="false: cancel what waits and send nothing; true: begin again, from now")


class SecretRotation(Body):
    """How a secret is replaced."""

    overlap_seconds: int = Field(
        default=86_400, ge=0, le=7 * 86_400, description="how long the present secret signs along; 0 if it has leaked"
    )
    request_id: RequestId = None


class NewSecret(BaseModel):
    """A new secret, shown in this answer alone."""

    secret: Secret
    previous_until: datetime | None = Field(description="until when the one before signs along", examples=[None])
