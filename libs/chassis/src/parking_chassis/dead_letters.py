"""Poison, set aside: a message that can never succeed, published to DEAD_LETTERS with its reason and its bytes."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Literal, TypeVar

import msgspec

from parking_contracts import subjects
from parking_contracts.errors import (
    DEAD_LETTER_BODY_LIMIT_BYTES,
    DEAD_LETTER_EXCERPT_BYTES,
    DeadLetter,
    DeadLetterCode,
)

Message = TypeVar("Message")
DEAD_LETTER_TYPE = "parkstream.dead_letter.v1"
"""How an outbox knows a dead letter."""

# What msgspec raises for bytes that are no message: text that is no UTF-8 and nesting without end come as these two.
UNREADABLE: tuple[type[Exception], ...] = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class PoisonError(Exception):
    """Raised where a message proves unusable: `code` for the machine, `detail` for the person who will look at it."""

    def __init__(self, code: DeadLetterCode, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


def decode_event(body: bytes, kind: type[Message]) -> Message:
    """Read a message that must be a `kind`. Raises PoisonError, with the path of what is wrong."""
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE as error:
        raise PoisonError(DeadLetterCode.INVALID_EVENT, f"not a {kind.__name__}: {error}") from error


def dead_letter(
    poison: PoisonError,
    *,
    service: str,
    origin: Literal["mqtt", "jetstream"],
    address: str,
    body: bytes,
    received_at: datetime,
    source: str = "",
    attempts: int = 1,
) -> DeadLetter:
    """Keep the body whole up to 256 KiB; of a larger one its first 64 KiB, its size and its SHA-256."""
    digest = hashlib.sha256(body).hexdigest()
    truncated = len(body) > DEAD_LETTER_BODY_LIMIT_BYTES
    fingerprint = hashlib.sha256(f"{service}\x1f{address}\x1f{digest}\x1f{received_at.isoformat()}".encode())
    return DeadLetter(
        id=fingerprint.hexdigest()[:32],
        service=service,
        code=poison.code,
        detail=poison.detail[:2000],
        origin=origin,
        address=address[:1000],
        source=source,
        received_at=received_at,
        failed_at=datetime.now(UTC),
        attempts=attempts,
        size_bytes=len(body),
        sha256=digest,
        truncated=truncated,
        body=body[:DEAD_LETTER_EXCERPT_BYTES] if truncated else body,
    )


def subject_of(letter: DeadLetter) -> str:
    """Where a dead letter is published."""
    return subjects.dead_letter(letter.service, letter.code)


encode_dead_letter = msgspec.json.Encoder().encode
