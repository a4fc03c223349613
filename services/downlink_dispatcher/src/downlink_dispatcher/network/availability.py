"""Whether the network server answers, and when to ask again.

In: that it answered, was lost, or refused our credential. Out: a NetworkAwayError for everybody who would call while it
is away, and the moment of the next probe: soon and ever later after an outage, rarely after a refusal, so that a wrong
token is never hammered. `problem` names addresses and settings, for the operator; the error is what a tenant may read
beside his downlink.
"""

from __future__ import annotations

import asyncio
import random
import time

import structlog

from downlink_dispatcher import metrics
from downlink_dispatcher.network.transport import NetworkAwayError

log = structlog.get_logger()

RETRY_SECONDS = (1.0, 30.0)
REFUSED_SECONDS = (30.0, 60.0)
# Senders come back a little after the probe, when its answer is there.
AFTER_PROBE_SECONDS = 0.5
CANNOT_BE_REACHED = "the network server cannot be reached; this waits until it is back"
DOES_NOT_LET_US_IN = "the network server does not let the platform in; this waits until it does"


class Availability:
    """One network server as all callers of this process see it. `problem` is None while it answers."""

    def __init__(self, name: str, *, problem: str | None = None) -> None:
        self.name = name
        self.problem = problem
        self.is_refused = False
        self._answered_at = float("-inf")
        self._retry_at = float("-inf")
        self._failures = 0
        self._went_away = asyncio.Event()

    def require(self) -> None:
        """Raise NetworkAwayError while it is away."""
        if self.problem is not None:
            raise self.away()

    def away(self) -> NetworkAwayError:
        """What to raise while it is away."""
        told = DOES_NOT_LET_US_IN if self.is_refused else CANNOT_BE_REACHED
        return NetworkAwayError(told, self.retry_seconds + AFTER_PROBE_SECONDS)

    @property
    def retry_seconds(self) -> float:
        """Seconds until the next probe of one that is away."""
        return max(0.0, self._retry_at - time.monotonic())

    @property
    def quiet_seconds(self) -> float:
        """Seconds since it last answered."""
        return time.monotonic() - self._answered_at

    def answered(self) -> None:
        """It answered, to whatever was asked."""
        self._answered_at = time.monotonic()
        if self.problem is not None:
            log.info("network_server_back", server=self.name)
        self.problem = None
        self.is_refused = False
        self._failures = 0
        self._went_away.clear()
        metrics.NETWORK_UP.labels(self.name).set(1)

    def lost(self, reason: str) -> NetworkAwayError:
        """It could not be reached, or answers like something else; returns what to raise."""
        self._fail(reason, *RETRY_SECONDS, is_refused=False)
        return self.away()

    def refused(self, reason: str) -> NetworkAwayError:
        """It does not let us in; `reason` says what to do about it. Returns what to raise."""
        self._fail(reason, *REFUSED_SECONDS, is_refused=True)
        return self.away()

    async def until_away(self, seconds: float) -> bool:
        """Wait until it goes away, `seconds` at most; whether it is away then."""
        try:
            async with asyncio.timeout(seconds):
                await self._went_away.wait()
        except TimeoutError:
            return False
        return True

    def _fail(self, reason: str, low: float, high: float, *, is_refused: bool) -> None:
        if self.problem != reason:
            log.warning("network_server_away", server=self.name, reason=reason, refused=is_refused)
        # Calls that were under way when it went away count as one failure: the pause is already running.
        if self.problem is None or self.retry_seconds == 0 or is_refused != self.is_refused:
            ceiling = high if is_refused else min(high, low * 2 ** min(self._failures, 10))
            self._retry_at = time.monotonic() + random.uniform(low, ceiling)  # noqa: S311  jitter, not a secret
            self._failures += 1
        self.problem = reason
        self.is_refused = is_refused
        self._went_away.set()
        metrics.NETWORK_UP.labels(self.name).set(0)
