"""Waiting for a condition instead of sleeping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


async def eventually(
    condition: Callable[[], T | Awaitable[T]],
    timeout: float = 10.0,  # noqa: ASYNC109  it bounds a poll, not one await
    *,
    interval: float = 0.02,
    message: str = "",
) -> T:
    """Poll `condition` (plain or async) until its result is true, and return that.

    An AssertionError counts as "not yet", so a condition may hold asserts. After `timeout` seconds the test fails
    with the last result or the last assertion.

    Example:
        rows = await eventually(lambda: connection.fetch("SELECT 1 FROM occupancy.stays"), timeout=5)
    """
    deadline = time.monotonic() + timeout
    while True:
        failure: AssertionError | None = None
        result: object = None
        try:
            outcome = condition()
            result = await outcome if inspect.isawaitable(outcome) else outcome
            if result:
                return result  # type: ignore[return-value]  # narrowed by inspect, which mypy does not follow
        except AssertionError as error:
            failure = error
        if time.monotonic() >= deadline:
            what = message or "the condition"
            raise AssertionError(
                f"{what} did not come true in {timeout} s; last: {failure or repr(result)}"
            ) from failure
        await asyncio.sleep(interval)
