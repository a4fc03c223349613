"""One answer for everybody who asks for the same within a second.

A first screen costs as much as twenty small reads, and consoles come in crowds: a shift begins, a network comes back.
Whoever gets an answer that is a second old goes on from its place in the event stream, and misses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable

SECONDS = 1.0


class SharedAnswers:
    """Holds the answers of the last second, and those that are being made."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._answers: dict[Hashable, tuple[float, asyncio.Task[bytes]]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The answer to `key`: one of the last second, one in the making, or a new one. Raises as `make` does."""
        now = asyncio.get_running_loop().time()
        self._answers = {known: kept for known, kept in self._answers.items() if now < kept[0]}
        if key not in self._answers:
            self._answers[key] = now + self._seconds, asyncio.ensure_future(_made(make))
        task = self._answers[key][1]
        # A client that goes away must not take the answer of the others with it.
        await asyncio.wait([task])
        if task.cancelled() or task.exception() is not None:
            self._answers.pop(key, None)
        return task.result()


async def _made(make: Callable[[], Awaitable[bytes]]) -> bytes:
    return await make()
