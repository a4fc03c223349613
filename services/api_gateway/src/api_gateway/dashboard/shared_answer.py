"""One answer for everybody who asks for the same at about the same time.

A first screen costs as much as twenty small reads, and consoles come in crowds: a shift begins, a network comes back.
In: a key, and how to make its answer. Out: the answer, at most two seconds old: after one second it is made anew, and
whoever comes meanwhile does not wait. Each goes on from his answer's place in the event stream, and misses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass

FRESH_SECONDS = 1.0


@dataclass
class _Kept:
    """What is known of one key: its last answer, as of `read_at`, and the one in the making."""

    answer: bytes | None = None
    read_at: float = float("-inf")
    making: asyncio.Task[bytes] | None = None


class SharedAnswers:
    """Holds the answers of the last moments, and those that are being made."""

    def __init__(self, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._fresh_seconds = fresh_seconds
        self._kept: dict[Hashable, _Kept] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The answer to `key`: a young one, or the one in the making. Raises as `make` does."""
        now = asyncio.get_running_loop().time()
        self._forget_before(now - 2 * self._fresh_seconds)
        kept = self._kept.setdefault(key, _Kept())
        if now - kept.read_at >= self._fresh_seconds and kept.making is None:
            kept.making = asyncio.create_task(self._make(kept, now, make))
        if kept.answer is not None:
            return kept.answer
        assert kept.making is not None  # noqa: S101  there is an answer, or one is being made
        # A client that goes away must not take the answer of the others with it.
        return await asyncio.shield(kept.making)

    async def _make(self, kept: _Kept, now: float, make: Callable[[], Awaitable[bytes]]) -> bytes:
        try:
            kept.answer, kept.read_at = await make(), now
            return kept.answer
        finally:
            kept.making = None

    def _forget_before(self, moment: float) -> None:
        for key, kept in list(self._kept.items()):
            if kept.read_at <= moment:
                kept.answer = None
                if kept.making is None:
                    del self._kept[key]
