"""How often a caller may ask: token buckets per credential and per tenant, reads and writes apart.

The buckets are this process's own: with N replicas behind a balancer a caller gets up to N times the rate. That bounds
what a replica has to bear, which is what the limit is for, and costs no round trip. A credential that waits takes
nothing from its tenant's bucket. Requests without a caller (health, log-in, incoming webhooks) are not counted here.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING

from fastapi import Request

from api_gateway import metrics
from api_gateway.http.problems import ProblemError
from parking_contracts.errors import ErrorCode

if TYPE_CHECKING:
    from api_gateway.identity.authentication import Caller
    from api_gateway.settings import HttpSettings

KEYS_LIMIT = 50_000
_READS = frozenset({"GET", "HEAD"})


class TokenBuckets:
    """Buckets that hold `burst` tokens and fill with `rate_per_second`; one float per key that has asked lately.

    The float is when the key's bucket will be full again. At most `keys_limit` are kept: beyond it the one that was
    asked longest ago is forgotten, and begins with a full bucket.
    """

    def __init__(self, rate_per_second: float, burst: float, *, keys_limit: int = KEYS_LIMIT) -> None:
        self.rate_per_second = rate_per_second
        self.burst = burst
        self._keys_limit = keys_limit
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def tokens(self, key: Hashable, now_seconds: float) -> float:
        """How many tokens there are."""
        missing_seconds = max(self._full_at.get(key, 0.0) - now_seconds, 0.0)
        return self.burst - missing_seconds * self.rate_per_second

    def take(self, key: Hashable, now_seconds: float) -> None:
        """Take one; the caller has looked that there is one."""
        self._full_at[key] = max(self._full_at.get(key, 0.0), now_seconds) + 1 / self.rate_per_second
        self._full_at.move_to_end(key)
        while len(self._full_at) > self._keys_limit:
            self._full_at.popitem(last=False)


class _Limit:
    """One kind of request: the credential's buckets, and the tenant's."""

    def __init__(self, name: str, rate_per_second: float, burst_seconds: float, tenant_factor: float) -> None:
        self.name = name
        burst = max(rate_per_second * burst_seconds, 1.0)
        self.buckets = {
            "credential": TokenBuckets(rate_per_second, burst),
            "tenant": TokenBuckets(rate_per_second * tenant_factor, burst * tenant_factor),
        }

    def take(self, caller: Caller, now_seconds: float) -> dict[str, str]:
        keys: dict[str, Hashable] = {"credential": caller.name, "tenant": caller.tenant_id}
        left = {per: self.buckets[per].tokens(key, now_seconds) for per, key in keys.items()}
        scarce = min(left, key=lambda per: left[per])
        if left[scarce] < 1:
            raise self._refusal(scarce, left[scarce])
        for per, key in keys.items():
            self.buckets[per].take(key, now_seconds)
        return self._headers(scarce, left[scarce] - 1)

    def _headers(self, per: str, left: float) -> dict[str, str]:
        """The fields of the IETF's draft on rate limit headers, for the scarcer bucket."""
        buckets = self.buckets[per]
        window_seconds = max(round(buckets.burst / buckets.rate_per_second), 1)
        full_in_seconds = math.ceil((buckets.burst - left) / buckets.rate_per_second)
        return {
            "RateLimit-Policy": f'"{self.name}-per-{per}";q={int(buckets.burst)};w={window_seconds}',
            "RateLimit": f'"{self.name}-per-{per}";r={max(int(left), 0)};t={full_in_seconds}',
        }

    def _refusal(self, per: str, left: float) -> ProblemError:
        metrics.RATE_LIMITED.labels(self.name, per).inc()
        buckets = self.buckets[per]
        wait_seconds = max(math.ceil((1 - left) / buckets.rate_per_second), 1)
        return ProblemError(
            ErrorCode.RATE_LIMITED,
            f"too many {self.name} by this {per}: at most {buckets.rate_per_second:g} per second in the long run and "
            f"{buckets.burst:g} at once; ask again in {wait_seconds} s",
            details={"limit": self.name, "per": per, "per_second": buckets.rate_per_second, "burst": buckets.burst},
            headers={"Retry-After": str(wait_seconds), **self._headers(per, left)},
        )


class RateLimits:
    """The limits of this process."""

    def __init__(self, settings: HttpSettings) -> None:
        spread = settings.rate_limit_burst_seconds, settings.rate_limit_tenant_factor
        reads, writes = settings.rate_limit_reads_per_second, settings.rate_limit_writes_per_second
        self._reads = _Limit("reads", reads, *spread) if reads else None
        self._writes = _Limit("writes", writes, *spread) if writes else None

    def take(self, request: Request, caller: Caller) -> None:
        """Count one request of the caller; its answer will say what is left.

        Raises:
            ProblemError: RATE_LIMITED, with Retry-After.
        """
        limit = self._reads if request.method in _READS else self._writes
        if limit is not None:
            request.state.answer_headers = limit.take(caller, time.monotonic())
