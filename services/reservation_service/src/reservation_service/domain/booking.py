"""What may be booked: the limits of a reservation's time, and what speaks against a space."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from parking_contracts.space import SpaceState
from reservation_service.domain.reservation import Rules, Sensor

LONGEST = timedelta(hours=24)
# Clients' clocks are wrong by minutes, and "now" has passed by the time it is read.
LATEST_START_AGO = timedelta(minutes=5)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """A space as its owner shows it: what a reservation asks of it."""

    tenant_id: UUID
    id: UUID
    site_id: UUID
    state: SpaceState
    is_deleted: bool = False
    override_state: SpaceState | None = None
    override_until: datetime | None = None
    sensor: Sensor | None = None


class TimeError(msgspec.Struct, frozen=True):
    """What is wrong with a reservation's times, and with which field."""

    field: str
    message: str


def time_error(starts_at: datetime, ends_at: datetime, now: datetime, rules: Rules) -> TimeError | None:
    """Why this time cannot be booked by anybody; None when it can."""
    if starts_at < now - LATEST_START_AGO:
        return TimeError("starts_at", "lies more than 5 minutes in the past")
    if starts_at > now + rules.horizon:
        return TimeError("starts_at", f"lies more than {rules.horizon.days} days ahead")
    return end_error(starts_at, ends_at, now)


def end_error(starts_at: datetime, ends_at: datetime, now: datetime) -> TimeError | None:
    """Why a reservation that starts then cannot end then; None when it can."""
    if ends_at <= starts_at:
        return TimeError("ends_at", "must come after starts_at")
    if ends_at - starts_at > LONGEST:
        return TimeError("ends_at", "lies more than 24 hours after starts_at")
    if ends_at <= now:
        return TimeError("ends_at", "lies in the past; to give a space back now, cancel")
    return None


def objection(place: Place, starts_at: datetime) -> str:
    """What speaks against booking this space from then on, in words; empty when nothing does."""
    if place.is_deleted:
        return "the space was deleted"
    if place.override_state is not SpaceState.MAINTENANCE:
        return ""
    if place.override_until is None:
        return "the space is under maintenance"
    if place.override_until > starts_at:
        return f"the space is under maintenance until {place.override_until.isoformat()}"
    return ""
