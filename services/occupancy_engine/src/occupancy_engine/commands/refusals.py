"""The refusals that several commands share."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import asyncpg

from parking_chassis.refusals import invalid
from parking_contracts.device import parse_eui
from parking_contracts.errors import ErrorCode, Refusal

# What a unique index or a check means to the one who asked.
_TAKEN = {
    "spaces_live_code": ("code", "another live space of this site has this code"),
    "spaces_live_sensor": ("sensor_eui", "another live space uses this sensor"),
    "spaces_live_display": ("display_eui", "another live space uses this display"),
    "spaces_pkey": ("id", "this id is taken"),
    "sites_pkey": ("id", "this id is taken"),
}


def overtaken(noun: str, key: Any) -> Refusal:
    """Somebody changed it between our look and our lock."""
    return Refusal(
        code=ErrorCode.REQUEST_IN_FLIGHT,
        message=f"the {noun} {key} was changed at the same moment; ask again",
        details={noun: str(key)},
    )


def moved_on(noun: str, seen: datetime | None, updated_at: datetime) -> Refusal | None:
    """The caller saw an older revision than there is; None where it saw this one, or does not care."""
    if seen is None or seen == updated_at:
        return None
    return Refusal(
        code=ErrorCode.PRECONDITION_FAILED,
        message=f"the {noun} was changed since you read it; read it again and decide anew",
        details={"updated_at": updated_at.isoformat()},
    )


def taken(error: asyncpg.UniqueViolationError) -> Refusal:
    """What a unique index refused."""
    field, message = _TAKEN[error.constraint_name or ""]
    return Refusal(code=ErrorCode.DUPLICATE_RESOURCE, message=f"{field}: {message}", details={"field": field})


def read_eui(field: str, text: str | None) -> str | Refusal | None:
    """An EUI in any notation, as stored."""
    if text is None:
        return None
    try:
        return parse_eui(text)
    except ValueError as error:
        return invalid(field, str(error))


def lopsided(latitude: object, longitude: object) -> Refusal | None:
    """A position has both coordinates or none."""
    if (latitude is None) != (longitude is None):
        return invalid("latitude" if latitude is None else "longitude", "give both coordinates or neither")
    return None
