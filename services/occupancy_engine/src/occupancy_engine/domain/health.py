"""What a device's own behaviour says about its health: how often it should be heard, and whether it flaps."""

from __future__ import annotations

from datetime import datetime, timedelta

MISSED_HEARTBEATS = 3
FLAP_HALF_LIFE_SECONDS = 600.0


def silence_seconds(interval_seconds: int, missed: int = MISSED_HEARTBEATS) -> int:
    """How long after its last reading a device counts as silent."""
    return interval_seconds * missed


def flap_score(score: float, scored_at: datetime | None, now: datetime) -> float:
    """The score after one more change: each counts one and fades to half in ten minutes.

    `occupancy.device_directory` calls a score of six and more flapping.
    """
    if scored_at is None:
        return 1.0
    elapsed = max((now - scored_at).total_seconds(), 0.0)
    return float(score * 0.5 ** (elapsed / FLAP_HALF_LIFE_SECONDS)) + 1.0


def is_silent(
    *,
    heard_at: datetime,
    interval_seconds: int,
    silence_seconds: int,
    heard_until: datetime,
    resumed_at: datetime,
) -> bool:
    """Whether a device heard last at `heard_at` has fallen silent by its source's watermark `heard_until`.

    After an outage of the source, which ended at `resumed_at`, it gets one full interval.
    """
    deadline = max(heard_at + timedelta(seconds=silence_seconds), resumed_at + timedelta(seconds=interval_seconds))
    return heard_until > deadline
