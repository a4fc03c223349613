"""What the rest of the house learns of a reservation: when its space turns reserved, and when it is let go.

Produced by reservation_service on the RESERVATIONS stream; consumed by occupancy_engine and api_gateway. No personal
data travels here.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

from parking_contracts.moment import Moment


class ReservationOpened(msgspec.Struct, frozen=True, kw_only=True):
    """The reservation's window (lead time included) has begun: its space counts as reserved until `until`."""

    tenant_id: UUID
    space_id: UUID
    reservation_id: UUID
    since: Moment
    until: Moment


class ReservationReleased(msgspec.Struct, frozen=True, kw_only=True):
    """The reservation no longer holds its space."""

    tenant_id: UUID
    space_id: UUID
    reservation_id: UUID
    reason: Literal["completed", "cancelled", "no_show"]
    at: Moment


EVENT_TYPES: dict[type, str] = {
    ReservationOpened: "parkstream.reservation.opened.v1",
    ReservationReleased: "parkstream.reservation.released.v1",
}
