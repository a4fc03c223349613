"""What the rules know of a reservation and of the place it holds. No personal data comes here."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from parking_contracts.reservation import CheckedInBy, ReservationStatus


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may set.

    `lead`: how long before its start a reservation holds its space. `no_show_grace`: how long a space is held for
    somebody who does not come. `overstay_grace`: how long after the end a vehicle may still be there. `horizon`: how
    far ahead one may book. `keep_personal_data`: how long after the end it is kept.
    """

    lead: timedelta
    no_show_grace: timedelta
    overstay_grace: timedelta
    horizon: timedelta
    keep_personal_data: timedelta


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """One reservation: [starts_at, ends_at), and how far it has come."""

    tenant_id: UUID
    id: UUID
    space_id: UUID
    starts_at: datetime
    ends_at: datetime
    created_at: datetime
    status: ReservationStatus = "active"
    opened_at: datetime | None = None
    checked_in_at: datetime | None = None
    checked_in_by: CheckedInBy | None = None
    obstructed_at: datetime | None = None
    cleared_at: datetime | None = None
    overstayed_at: datetime | None = None
    ended_at: datetime | None = None
    cancel_reason: str = ""

    @property
    def is_active(self) -> bool:
        """Whether it still holds its time."""
        return self.status == "active"

    @property
    def is_awaited(self) -> bool:
        """Whether its window is open and nobody has come yet."""
        return self.is_active and self.opened_at is not None and self.checked_in_at is None


class Sensor(msgspec.Struct, frozen=True):
    """What a space's sensor says, and since when; where it is silent or was never heard, there is no Sensor."""

    occupied: bool
    since: datetime


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """One space at one moment.

    `reservations`: its active ones and those of the last two days, by start. `arrived_at`: when a vehicle came, by an
    event that may be older than what the sensor says now.
    """

    reservations: tuple[Reservation, ...]
    now: datetime
    rules: Rules
    sensor: Sensor | None = None
    arrived_at: datetime | None = None
    is_deleted: bool = False
