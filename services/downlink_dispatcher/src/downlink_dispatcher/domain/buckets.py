"""Token buckets: what may be sent now, and when the next may.

A bucket holds one minute's worth at most and fills evenly. A downlink takes one token of each bucket that it falls
under (its LoRaWAN gateway's, its tenant's), or none at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

_TENANT, _GATEWAY = "tenant:", "gateway:"
# Sums of many small fillings fall short of a whole token by less than this.
_NEARLY = 1e-6


class Limits(msgspec.Struct, frozen=True):
    """Downlinks per minute."""

    per_gateway: float
    per_tenant: float

    def of(self, key: str) -> float:
        """The limit of one bucket."""
        return self.per_gateway if key.startswith(_GATEWAY) else self.per_tenant


class Bucket(msgspec.Struct, frozen=True):
    """How full it was, and when."""

    tokens: float
    filled_at: datetime


def keys_of(tenant_id: UUID, gateway_id: str | None) -> tuple[str, ...]:
    """The buckets that a downlink falls under; its gateway's when it is known."""
    tenant = f"{_TENANT}{tenant_id}"
    return (tenant,) if gateway_id is None else (f"{_GATEWAY}{gateway_id}", tenant)


def filled(bucket: Bucket, per_minute: float, now: datetime) -> Bucket:
    """The bucket as it is now. A moment that is over (another replica was quicker) changes nothing."""
    seconds = max(0.0, (now - bucket.filled_at).total_seconds())
    # A lowered limit empties what is above it.
    tokens = min(capacity(per_minute), bucket.tokens + seconds * per_minute / 60)
    return Bucket(tokens, max(now, bucket.filled_at))


def capacity(per_minute: float) -> float:
    """What a bucket holds: a minute's worth, and a whole token however slowly it fills."""
    return max(1.0, per_minute)


class Purse:
    """The buckets of one round of sending, all held. Takes tokens, and remembers who waits for the next ones."""

    def __init__(self, buckets: Mapping[str, Bucket], limits: Limits, now: datetime) -> None:
        self._limits = limits
        self._now = now
        self._buckets = {key: filled(bucket, limits.of(key), now) for key, bucket in buckets.items()}
        self._waiting = dict.fromkeys(buckets, 0)
        self.taken: set[str] = set()

    def take(self, keys: Sequence[str]) -> datetime | None:
        """Take one token of each bucket; if one has none, none is taken and the answer is when there should be.

        Those that wait in one round are told one moment after the other, so that they do not all come back at once.
        """
        empty = [key for key in keys if self._buckets[key].tokens < 1 - _NEARLY]
        if empty:
            for key in empty:
                self._waiting[key] += 1
            return self._now + timedelta(seconds=max(self._seconds_until_turn(key) for key in empty))
        for key in keys:
            bucket = self._buckets[key]
            self._buckets[key] = msgspec.structs.replace(bucket, tokens=max(0.0, bucket.tokens - 1))
            self.taken.add(key)
        return None

    def left(self, keys: Iterable[str]) -> dict[str, Bucket]:
        """What is left in these buckets."""
        return {key: self._buckets[key] for key in keys}

    def _seconds_until_turn(self, key: str) -> float:
        return (self._waiting[key] - self._buckets[key].tokens) * 60 / self._limits.of(key)
