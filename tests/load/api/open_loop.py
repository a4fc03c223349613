"""Requests sent when they are due, whatever became of those before: a slow server does not slow its clients down.

In: what to send and how often. Out: for each request its latency from the moment it was due (not from when it could be
sent), its status, and how late the client itself was.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from load.api.client import LightClient

SHORTEST_SLEEP_SECONDS = 0.0005
BROKEN = 0  # the status of a request whose connection broke


@dataclass(frozen=True)
class Due:
    """One request, what kind it is of, and the statuses that are right for it."""

    kind: str
    request: bytes
    expected: frozenset[int] = frozenset({200})


@dataclass
class Outcome:
    """What came of a round. Times in seconds."""

    latencies: dict[str, list[float]] = field(default_factory=dict)
    sent_late: list[float] = field(default_factory=list)
    wrong: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def count(self) -> int:
        return sum(map(len, self.latencies.values()))


async def run_open_loop(client: LightClient, make: Callable[[int], Due], *, rate: float, seconds: float) -> Outcome:
    """`rate` requests a second for `seconds`; done when the last answer is there."""
    outcome = Outcome()
    under_way: list[asyncio.Task[int]] = []
    requests: Sequence[Due] = [make(number) for number in range(int(rate * seconds))]
    began = time.monotonic()
    for number, due in enumerate(requests):
        due_at = began + number / rate
        ahead = due_at - time.monotonic()
        if ahead > SHORTEST_SLEEP_SECONDS:
            await asyncio.sleep(ahead)
        outcome.sent_late.append(time.monotonic() - due_at)
        under_way.append(asyncio.create_task(_status(client, due, due_at, outcome)))
    await asyncio.gather(*under_way)
    outcome.seconds = time.monotonic() - began
    return outcome


async def run_at_once(client: LightClient, requests: Sequence[Due], outcome: Outcome) -> Counter[int]:
    """All of them at the same moment; how often each status came."""
    began = time.monotonic()
    statuses = await asyncio.gather(*(_status(client, due, began, outcome) for due in requests))
    return Counter(statuses)


async def _status(client: LightClient, due: Due, due_at: float, outcome: Outcome) -> int:
    try:
        status = (await client.send(due.request)).status
    except OSError:
        status = BROKEN
    outcome.latencies.setdefault(due.kind, []).append(time.monotonic() - due_at)
    if status not in due.expected:
        outcome.wrong[due.kind, status] += 1
    return status
