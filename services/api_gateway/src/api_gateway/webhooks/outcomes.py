"""What follows from an attempt: delivered, tried again later, or given up. Pure.

2xx is delivered, everything else a failure. The pause before the next try is drawn between nothing and the schedule's
figure (full jitter: receivers that come back are not all met at once), or longer when the receiver says Retry-After.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Literal

# What a receiver may ask for at most. Longer, and the event would be stale; the schedule goes on meanwhile.
RETRY_AFTER_LIMIT_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What an attempt came to: a status, or the error that left us without one; `seconds` is how long it took."""

    started_at: datetime
    seconds: float
    status: int | None = None
    error: str | None = None
    retry_after_seconds: float = 0.0
    interrupted: bool = False

    @property
    def is_delivered(self) -> bool:
        """The receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """The receiver wants nothing more, ever."""
        return self.status == HTTPStatus.GONE


@dataclass(frozen=True, slots=True)
class Verdict:
    """A delivery's state after an attempt, and when it is tried again."""

    state: Literal["delivered", "pending", "failed"]
    retry_in_seconds: float = 0.0


def judge(answer: Answer, tries: int, schedule: Sequence[float], draw: float) -> Verdict:
    """The verdict after try number `tries` (1 is the first); `draw` is from [0, 1)."""
    if answer.is_delivered:
        return Verdict("delivered")
    if answer.interrupted:
        return Verdict("pending")
    if answer.is_gone or tries > len(schedule):
        return Verdict("failed")
    pause = schedule[tries - 1] * draw
    return Verdict("pending", max(pause, min(answer.retry_after_seconds, RETRY_AFTER_LIMIT_SECONDS)))


def error_of(status: int) -> str | None:
    """What is wrong with a status, in words; None for a good one."""
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"answered {status}; redirects are not followed, give the endpoint its final URL"
    return f"answered {status}"


def read_retry_after(value: str, now: datetime) -> float:
    """Seconds to wait, from a Retry-After header in either form; 0 when it says nothing of use."""
    value = value.strip()
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - now).total_seconds())
