"""Catching everything, so that one piece of work cannot take its neighbours with it."""

from __future__ import annotations

from collections.abc import Awaitable


async def failure_of(work: Awaitable[object]) -> Exception | None:
    """Do `work` and hand back what it raised, or None. The caller decides, and says so in a log."""
    try:
        await work
    except Exception as error:  # noqa: BLE001  what this module is for
        return error
    return None
