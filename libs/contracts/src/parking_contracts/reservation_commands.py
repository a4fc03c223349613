"""Commands on reservations, answered by reservation_service.

A reservation is named by its id within the command's tenant. `version` counts its changes; `if_version`, where a body
has one, refuses the command as PRECONDITION_FAILED when the reservation has moved on. E-mail and phone are the only
personal data of the platform: they travel here and to the reservation's own table, and nowhere else.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from parking_contracts import subjects
from parking_contracts.command import CommandBody
from parking_contracts.moment import Moment
from parking_contracts.reservation import CheckedInBy, ReservationStatus
from parking_contracts.space import SpaceKind, SpaceState
from parking_contracts.space_commands import Reason, Zone

OWNER = "reservation"

EMAIL_PATTERN = r"^[^@\s]+@[^@\s]+$"
PHONE_PATTERN = r"^\+?[1-9][0-9]{8,13}$"
Email = Annotated[str, Meta(min_length=3, max_length=255, pattern=EMAIL_PATTERN)]
Phone = Annotated[str, Meta(max_length=20, pattern=PHONE_PATTERN)]


class ReservationView(msgspec.Struct, frozen=True, kw_only=True):
    """A reservation as its tenant sees it. `opened_at` is when its space began to be held for it."""

    tenant_id: UUID
    id: UUID
    space_id: UUID
    starts_at: datetime
    ends_at: datetime
    email: str | None
    phone: str | None
    metadata: dict[str, Any] = {}
    status: ReservationStatus
    opened_at: datetime | None = None
    checked_in_at: datetime | None = None
    checked_in_by: CheckedInBy | None = None
    obstructed_at: datetime | None = None
    overstayed_at: datetime | None = None
    ended_at: datetime | None = None
    cancel_reason: str = ""
    created_by: str
    created_at: datetime
    updated_at: datetime
    version: int


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which a space is taken; whose it is stays unsaid."""

    starts_at: datetime
    ends_at: datetime


class Booking(CommandBody, frozen=True, kw_only=True):
    """What every booking says: the time, [start, end) and at most 24 h, and for whom."""

    starts_at: Moment
    ends_at: Moment
    email: Email | None = None
    phone: Phone | None = None
    metadata: dict[str, Any] = {}  # noqa: RUF012  msgspec copies it


class CreateReservation(Booking, frozen=True, kw_only=True):
    """Book one space. Answers a ReservationView, or SPACE_NOT_AVAILABLE with `conflicts` (a list of Conflict)."""

    subject: ClassVar[str] = subjects.command(OWNER, "reservation.create")
    space_id: UUID


class BookAnySpace(Booking, frozen=True, kw_only=True):
    """Book whichever space of a site is free then, of this zone and kind where given. Answers a ReservationView."""

    subject: ClassVar[str] = subjects.command(OWNER, "reservation.book_any")
    site_id: UUID
    zone: Zone | None = None
    kind: SpaceKind | None = None


class UpdateReservation(CommandBody, frozen=True, kw_only=True):
    """Only the fields present change; null clears. The start is fixed once the window is open."""

    subject: ClassVar[str] = subjects.command(OWNER, "reservation.update")
    id: UUID
    if_version: int | None = None
    starts_at: Moment | UnsetType = UNSET
    ends_at: Moment | UnsetType = UNSET
    email: Email | UnsetType | None = UNSET
    phone: Phone | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET


class CancelReservation(CommandBody, frozen=True, kw_only=True):
    """Let an active reservation go. Answers its ReservationView."""

    subject: ClassVar[str] = subjects.command(OWNER, "reservation.cancel")
    id: UUID
    if_version: int | None = None
    reason: Reason = ""


class CheckIn(CommandBody, frozen=True, kw_only=True):
    """Say that whoever booked has come; the window must be open. Answers its ReservationView."""

    subject: ClassVar[str] = subjects.command(OWNER, "reservation.check_in")
    id: UUID


class CheckAvailability(CommandBody, frozen=True, kw_only=True):
    """Is this space free for this time? Answers an Availability."""

    subject: ClassVar[str] = subjects.command(OWNER, "reservation.check_availability")
    space_id: UUID
    starts_at: Moment
    ends_at: Moment


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a space can be booked for a time, what stands against it, and what is shown for it now."""

    space_id: UUID
    available: bool
    conflicts: list[Conflict] = []
    reason: str = ""
    state: SpaceState


class RunClock(CommandBody, frozen=True, kw_only=True):
    """Do now what the clock would do within its minute, for the command's tenant. Answers a ClockRun."""

    subject: ClassVar[str] = subjects.command(OWNER, "reservation.run_clock")


class ClockRun(msgspec.Struct, frozen=True, kw_only=True):
    """How many reservations opened, ended as no-show, completed, and had their personal data pruned."""

    opened: int = 0
    no_shows: int = 0
    completed: int = 0
    pruned: int = 0


class ExportPerson(CommandBody, frozen=True, kw_only=True):
    """Everything kept about a person, known by e-mail, phone, or both. Answers a PersonalData."""

    subject: ClassVar[str] = subjects.command(OWNER, "person.export")
    email: Email | None = None
    phone: Phone | None = None


class PersonalData(msgspec.Struct, frozen=True, kw_only=True):
    """The reservations of one person, newest first."""

    reservations: list[ReservationView]


class ErasePerson(CommandBody, frozen=True, kw_only=True):
    """Forget a person: e-mail, phone and metadata leave every reservation and every stored answer."""

    subject: ClassVar[str] = subjects.command(OWNER, "person.erase")
    email: Email | None = None
    phone: Phone | None = None


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """How many reservations were stripped of personal data."""

    reservations: int
