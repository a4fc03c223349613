"""What a service does by time alone: the same work again and again, whatever one round of it came to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import Counter

from parking_chassis.isolation import failure_of
from parking_chassis.process import until_stopped
from parking_chassis.subscriber import DEPENDENCY_AWAY

log = structlog.get_logger()

FAILURES = Counter("parkstream_clock_failures_total", "Rounds of a clock that failed unexpectedly", ["clock"])


async def every(seconds: float, stop: asyncio.Event, work: Callable[[], Awaitable[object]]) -> None:
    """Do `work` again and again until the service stops: what is away is waited for, what fails is told and retried."""
    name = getattr(work, "__name__", "clock")
    while not stop.is_set():
        match await failure_of(work()):
            case None:
                pass
            case failure if isinstance(failure, DEPENDENCY_AWAY):
                log.warning("clock_postponed", clock=name, error=repr(failure))
            case failure:
                FAILURES.labels(name).inc()
                log.error("clock_failed", clock=name, exc_info=failure)
        if await until_stopped(stop, seconds):
            return
