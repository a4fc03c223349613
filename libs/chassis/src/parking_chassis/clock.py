"""What a service does by time alone: the same work again and again, whatever one round of it came to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from parking_chassis import metrics
from parking_chassis.isolation import failure_of
from parking_chassis.process import until_stopped
from parking_chassis.subscriber import DEPENDENCY_AWAY

log = structlog.get_logger()

MOST_SELDOM = 10


async def every(
    seconds: float,
    stop: asyncio.Event,
    work: Callable[[], Awaitable[object]],
    *,
    name: str | None = None,
    share: float | None = None,
) -> None:
    """Do `work` again and again until the service stops: what is away is waited for, what fails is told and retried.

    Logs and metrics call the clock `name`, or else as `work` is called. `share` of the time is what the work may take:
    where a round grows with the city, a large one is looked through more seldom, down to a tenth as often.
    """
    name = name or getattr(work, "__name__", "clock")
    metrics.CLOCK_PERIOD.labels(name).set(seconds)
    metrics.CLOCK_ENDED.labels(name).set_to_current_time()
    while not stop.is_set():
        began = time.monotonic()
        failure = await failure_of(work())
        took = time.monotonic() - began
        metrics.CLOCK_SECONDS.labels(name).observe(took)
        match failure:
            case None:
                metrics.CLOCK_ENDED.labels(name).set_to_current_time()
            case failure if isinstance(failure, DEPENDENCY_AWAY):
                log.warning("clock_postponed", clock=name, error=repr(failure))
            case failure:
                metrics.CLOCK_FAILURES.labels(name).inc()
                log.error("clock_failed", clock=name, exc_info=failure)
        rest = rest_after(took, seconds, share if failure is None else None)
        metrics.CLOCK_PERIOD.labels(name).set(rest)
        if await until_stopped(stop, rest):
            return


def rest_after(took: float, seconds: float, share: float | None) -> float:
    """The pause behind a round of `took` seconds, by which the work has no more than its share of the time."""
    if share is None:
        return seconds
    return max(seconds, min(took / share - took, seconds * MOST_SELDOM))
