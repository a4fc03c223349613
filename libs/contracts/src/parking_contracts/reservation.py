"""What the rest of the house learns of a reservation. No personal data travels here.

Produced by reservation_service through its outbox on the RESERVATIONS stream as CloudEvents (binary mode), the events
of one reservation in order; consumed by occupancy_engine (the reservation layer of a space) and api_gateway.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

from parking_contracts.moment import Moment

ReservationStatus = Literal["active", "completed", "cancelled", "no_show"]
CheckedInBy = Literal["arrival", "api"]


class ReservationFact(msgspec.Struct, frozen=True, kw_only=True):
    """Whose space, and which reservation."""

    tenant_id: UUID
    space_id: UUID
    reservation_id: UUID


class ReservationCreated(ReservationFact, frozen=True, kw_only=True):
    """A space was booked from `starts_at` to `ends_at`."""

    starts_at: Moment
    ends_at: Moment
    at: Moment


class ReservationUpdated(ReservationFact, frozen=True, kw_only=True):
    """Its times are others now. `is_open`: its window has begun, so its space counts as reserved until `ends_at`."""

    starts_at: Moment
    ends_at: Moment
    is_open: bool
    at: Moment


class ReservationOpened(ReservationFact, frozen=True, kw_only=True):
    """The reservation's window (lead time included) has begun: its space counts as reserved until `until`."""

    since: Moment
    until: Moment


class ReservationCheckedIn(ReservationFact, frozen=True, kw_only=True):
    """Whoever booked has come: `arrival` as the sensor saw it, `api` as somebody said."""

    by: CheckedInBy
    at: Moment


class ReservationObstructed(ReservationFact, frozen=True, kw_only=True):
    """The window has begun and somebody else stands there since `since`."""

    since: Moment
    at: Moment


class ReservationOverstayed(ReservationFact, frozen=True, kw_only=True):
    """The reservation has ended and its vehicle is still there."""

    ends_at: Moment
    at: Moment


class ReservationReleased(ReservationFact, frozen=True, kw_only=True):
    """The reservation no longer holds its space. `detail`: why it was cancelled, where that was said.

    Whoever cancels is told to write nothing about a person there.
    """

    reason: Literal["completed", "cancelled", "no_show"]
    detail: str = ""
    at: Moment


ReservationEvent = (
    ReservationCreated
    | ReservationUpdated
    | ReservationOpened
    | ReservationCheckedIn
    | ReservationObstructed
    | ReservationOverstayed
    | ReservationReleased
)
EVENT_TYPES: dict[type, str] = {
    ReservationCreated: "parkstream.reservation.created.v1",
    ReservationUpdated: "parkstream.reservation.updated.v1",
    ReservationOpened: "parkstream.reservation.opened.v1",
    ReservationCheckedIn: "parkstream.reservation.checked_in.v1",
    ReservationObstructed: "parkstream.reservation.obstructed.v1",
    ReservationOverstayed: "parkstream.reservation.overstayed.v1",
    ReservationReleased: "parkstream.reservation.released.v1",
}
