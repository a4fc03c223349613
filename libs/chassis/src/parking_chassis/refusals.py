"""The refusals that every service gives: a value that cannot be right, and a thing that is not there."""

from __future__ import annotations

from typing import Any

from parking_contracts.errors import ErrorCode, Refusal


def invalid(field: str, message: str) -> Refusal:
    """A value that cannot be right."""
    return Refusal(code=ErrorCode.VALIDATION_ERROR, message=f"{field}: {message}", details={"field": field})


def not_found(noun: str, key: Any) -> Refusal:
    """No such thing, or none of this tenant's: nobody learns which."""
    return Refusal(code=ErrorCode.RECORD_NOT_FOUND, message=f"there is no {noun} {key}", details={noun: str(key)})
