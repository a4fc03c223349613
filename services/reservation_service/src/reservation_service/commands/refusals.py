"""Every way in which a command on a reservation is refused. None tells of anybody else's reservation but its times."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from parking_contracts.errors import ErrorCode, Refusal
from parking_contracts.reservation import ReservationStatus
from parking_contracts.reservation_commands import Conflict


def taken(conflicts: list[Conflict]) -> Refusal:
    """Somebody else has the space then."""
    return Refusal(
        code=ErrorCode.SPACE_NOT_AVAILABLE,
        message="the space is taken then; `conflicts` says when",
        details={"conflicts": msgspec.to_builtins(conflicts)},
    )


def unfit(reason: str) -> Refusal:
    """The space cannot be used then."""
    return Refusal(code=ErrorCode.SPACE_NOT_AVAILABLE, message=reason, details={"reason": reason, "conflicts": []})


def none_free() -> Refusal:
    """No space of those asked for is free for the whole time."""
    return Refusal(
        code=ErrorCode.SPACE_NOT_AVAILABLE,
        message="no such space is free for the whole time; ask for another time, zone or kind",
        details={"conflicts": []},
    )


def not_active(reservation_id: UUID, status: ReservationStatus) -> Refusal:
    """It has ended, one way or another."""
    return Refusal(
        code=ErrorCode.RESERVATION_NOT_ACTIVE,
        message=f"the reservation {reservation_id} is {status}: only an active one can be changed",
        details={"status": status},
    )


def not_open(opens_at: datetime) -> Refusal:
    """Too early to come."""
    return Refusal(
        code=ErrorCode.RESERVATION_NOT_OPEN,
        message=f"the reservation is not open yet; one may check in from {opens_at.isoformat()}, "
        "once the one before it has ended",
        details={"opens_at": opens_at.isoformat()},
    )


def start_is_fixed(opened_at: datetime) -> Refusal:
    """The space is held already."""
    return Refusal(
        code=ErrorCode.RESERVATION_OPEN,
        message="the reservation is open: its start is fixed; its end may still move",
        details={"field": "starts_at", "opened_at": opened_at.isoformat()},
    )


def moved_on(seen: int, version: int) -> Refusal:
    """It has been changed since the caller read it."""
    return Refusal(
        code=ErrorCode.PRECONDITION_FAILED,
        message="the reservation was changed since you read it; read it again and decide anew",
        details={"seen": seen, "version": version},
    )
