"""Reservations as HTTP shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic.config import JsonDict

from api_gateway.http.fields import Body, Document, Instant, RequestId, absent
from parking_contracts.reservation import CheckedInBy, ReservationStatus
from parking_contracts.reservation_commands import EMAIL_PATTERN, PHONE_PATTERN
from parking_contracts.space import SpaceKind, SpaceState

Start = Annotated[
    Instant,
    Field(
        description="RFC 3339 with an offset; at most 5 minutes ago, and a year ahead",
        examples=["2026-05-04T10:00:00+02:00"],
    ),
]
End = Annotated[
    Instant,
    Field(
        description="after the start, at most 24 hours; the end itself is free again",
        examples=["2026-05-04T12:00:00+02:00"],
    ),
]
Email = Annotated[
    str,
    StringConstraints(min_length=3, max_length=255, pattern=EMAIL_PATTERN),
    Field(description="of whoever comes; in no event and no log", examples=["ada@example.org"]),
]
Phone = Annotated[
    str,
    StringConstraints(max_length=20, pattern=PHONE_PATTERN),
    Field(description="9 to 14 digits", examples=["+41791234567"]),
]
Metadata = Annotated[
    Document, Field(description="your own data, at most 16 KiB; erased with the person", examples=[{"plate": "ZH 1"}])
]
Zone = Annotated[str, Field(max_length=50, description="with site_id: only this zone", examples=["visitors"])]
Status = Annotated[ReservationStatus, Field(description="only an active one holds its space")]


class Reservation(BaseModel):
    """A reservation: [starts_at, ends_at) of one space.

    E-mail, phone and metadata are shown to callers with `reservations:read` alone.
    """

    tenant_id: UUID = Field(description="whom it belongs to")
    id: UUID
    space_id: UUID
    starts_at: datetime
    ends_at: datetime
    email: str | None = Field(description="of whoever comes; null once erased", examples=["ada@example.org"])
    phone: str | None = Field(description="of whoever comes; null once erased", examples=["+41791234567"])
    metadata: dict[str, Any] = Field(description="your own data")
    status: Status
    opened_at: datetime | None = Field(description="when the space began to be held for it")
    checked_in_at: datetime | None = Field(description="when whoever booked came")
    checked_in_by: CheckedInBy | None = Field(description="a vehicle's arrival, or somebody's word")
    obstructed_at: datetime | None = Field(description="when somebody else was seen to stand there")
    overstayed_at: datetime | None = Field(description="when its vehicle was seen to stay too long")
    ended_at: datetime | None = Field(description="when it let the space go")
    cancel_reason: str = Field(description="why it was cancelled, where that was said", examples=[""])
    created_by: str = Field(examples=["key:k3y1d001"])
    created_at: datetime
    updated_at: datetime
    version: int = Field(description="counts its changes; also its ETag", examples=[3])

    def without_person(self) -> Reservation:
        """The same for whoever may not read about people."""
        return self.model_copy(update={"email": None, "phone": None, "metadata": {}})


class ReservationPage(BaseModel):
    """Some of the reservations, newest first."""

    total: int = Field(description="how many match, on all pages", examples=[42])
    limit: int
    offset: int
    items: list[Reservation]


EXAMPLE: JsonDict = {
    "space_id": "9999d25b-e8ff-5c0d-bf36-fef25f4d95a2",
    "starts_at": "2026-05-04T10:00:00+02:00",
    "ends_at": "2026-05-04T12:00:00+02:00",
    "email": "ada@example.org",
    "phone": "+41791234567",
    "metadata": {"plate": "ZH 1"},
}


class NewReservation(Body):
    """A booking: of one space (`space_id`), or of any that is free at a site (`site_id`, with `zone` and `kind`)."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    space_id: UUID | None = Field(default=None, description="book this space")
    site_id: UUID | None = Field(default=None, description="book any free space of this site instead")
    zone: Zone | None = None
    kind: SpaceKind | None = Field(default=None, description="with site_id: only this kind")
    starts_at: Start
    ends_at: End
    email: Email | None = None
    phone: Phone | None = None
    metadata: Metadata = Field(default={})
    request_id: RequestId = None

    @model_validator(mode="after")
    def _one_way_to_choose(self) -> Self:
        if (self.space_id is None) == (self.site_id is None):
            raise ValueError("give either space_id, or site_id to book any free space of a site")
        if self.space_id is not None and (self.zone is not None or self.kind is not None):
            raise ValueError("zone and kind go with site_id: a space_id names one space already")
        return self


class ReservationChanges(Body):
    """The fields to change; what is absent stays, null clears e-mail and phone."""

    starts_at: Start = absent()
    ends_at: End = absent()
    email: Email | None = None
    phone: Phone | None = None
    metadata: Metadata = absent()
    request_id: RequestId = None


class Cancellation(Body):
    """Why it is let go."""

    reason: str = Field(
        default="",
        max_length=200,
        description="travels in the event: nothing about a person belongs here",
        examples=["closed for an event"],
    )
    request_id: RequestId = None


class WantedTime(Body):
    """A time in which a space is wanted."""

    starts_at: Start
    ends_at: End


class Conflict(BaseModel):
    """A time in which the space is taken; by whom stays unsaid."""

    starts_at: datetime
    ends_at: datetime


class Availability(BaseModel):
    """Whether a space can be booked for a time."""

    space_id: UUID
    available: bool
    conflicts: list[Conflict] = Field(description="the first 20 times within it in which the space is taken")
    reason: str = Field(description="what stands against it, in words; empty when nothing does", examples=[""])
    state: SpaceState = Field(description="what is shown for the space now")


class ClockRun(BaseModel):
    """What was due: reservations opened, ended and stripped of personal data."""

    opened: int
    no_shows: int
    completed: int
    pruned: int = Field(description="stripped of personal data long after their end")
