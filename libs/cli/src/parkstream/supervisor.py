"""Children kept alive: each is started, waited for, and started again when it dies; and all end in bounded time.

A `Job` knows how to start and stop one process; the supervisor knows nothing about what it does. One task per job
waits for its end. A job that dies is started again after a delay that doubles up to half a minute, and is forgiven
after a minute of good health. The end is ordered: groups stop one after the other, the jobs of a group together.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from parkstream.errors import OperatorError

FIRST_DELAY_SECONDS = 1.0
LONGEST_DELAY_SECONDS = 30.0
GOOD_HEALTH_SECONDS = 60.0

Report = Callable[[str], None]


class Job(Protocol):
    """One process, for one run after the other."""

    name: str

    async def start(self) -> None:
        """Start it, and return once it serves; `OperatorError` when it cannot."""

    async def wait(self) -> int:
        """Wait for its end and give its status; at once when it does not run."""

    async def stop(self, patience_seconds: float) -> None:
        """End it: politely, and by force when the patience is over."""


class RestartDelay:
    """How long to wait before the next start, given how long the last run lasted."""

    def __init__(self) -> None:
        self._next_seconds = FIRST_DELAY_SECONDS

    def after(self, ran_seconds: float) -> float:
        """The delay in seconds: 1, 2, 4 .. 30, from the beginning again after a minute of good health."""
        if ran_seconds >= GOOD_HEALTH_SECONDS:
            self._next_seconds = FIRST_DELAY_SECONDS
        delay = self._next_seconds
        self._next_seconds = min(delay * 2, LONGEST_DELAY_SECONDS)
        return delay


class Supervisor:
    """Keeps jobs alive until `stop`. What happens to them is reported as sentences."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._groups: list[list[Job]] = []
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self, jobs: Sequence[Job]) -> None:
        """Start a group together; when this returns, all of them serve. A later group is stopped earlier."""
        self._groups.append(list(jobs))
        began = time.monotonic()
        for outcome in await asyncio.gather(*(job.start() for job in jobs), return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        self._keepers += [asyncio.create_task(self._keep(job, began), name=job.name) for job in jobs]

    async def stop(self, within_seconds: float, last_seconds: float) -> None:
        """End all: the last group gets `last_seconds` at least of `within_seconds`, the others what is before."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        deadline = time.monotonic() + within_seconds
        for number in reversed(range(len(self._groups))):
            reserved = last_seconds if number else 0.0
            patience = max(deadline - reserved - time.monotonic(), 0.5)
            await asyncio.gather(*(job.stop(patience) for job in self._groups[number]))

    async def _keep(self, job: Job, began: float) -> None:
        delay = RestartDelay()
        while True:
            status = await job.wait()
            pause_seconds = delay.after(time.monotonic() - began)
            self._report(f"{job.name} ended ({describe(status)}); starting it again in {pause_seconds:.0f} s")
            await asyncio.sleep(pause_seconds)
            began = time.monotonic()
            try:
                await job.start()
            except OperatorError as error:
                self._report(f"{job.name} did not start: {error}")


def describe(status: int) -> str:
    """`exit status 3`, or `signal 9` for a process that was killed."""
    return f"signal {-status}" if status < 0 else f"exit status {status}"
