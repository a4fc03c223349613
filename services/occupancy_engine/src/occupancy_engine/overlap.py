"""Batches that overlap: each begins when the one ahead holds its devices, and commits when that one has committed.

A batch that fails gives its devices up, and those behind it could take them first: they stand back instead, and are
tried again after it. So one engine takes a device's frames in the order of the stream, whatever PostgreSQL does.
"""

from __future__ import annotations

import asyncio


class AheadError(Exception):
    """The batch ahead failed: it has to come first when it is tried again."""


class Turn:
    """A batch's place in the order, as the one behind it sees it."""

    def __init__(self) -> None:
        self.locked = asyncio.Event()
        self.done = asyncio.Event()
        self._tried: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def try_ended(self, *, committed: bool) -> None:
        """Tell how the first attempt ended."""
        if not self._tried.done():
            self._tried.set_result(committed)
        self.locked.set()

    def end(self) -> None:
        """The batch, and every one ahead of it, is committed or set aside."""
        self.try_ended(committed=True)
        self.done.set()

    async def let_pass(self) -> None:
        """Return when the one behind may commit. Raises AheadError when it has to give up what it holds."""
        if not await asyncio.shield(self._tried) and not self.done.is_set():
            raise AheadError


def nobody_ahead() -> Turn:
    """What the first batch sees ahead of it."""
    turn = Turn()
    turn.end()
    return turn
