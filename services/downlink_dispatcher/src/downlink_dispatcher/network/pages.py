"""Lists of ChirpStack's API, page by page.

In: a call that takes `limit` and `offset`. Out: one page after the other, until the count is reached or a page is
empty. What changes in between may be seen twice or not at all; the next round puts it right.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

PAGE = 100
LARGEST_LIST = 1_000_000


async def pages(ask: Callable[[int, int], Awaitable[Any]]) -> AsyncIterator[Sequence[Any]]:
    """Pages of at most `PAGE` things; `ask(limit, offset)` answers with `result` and `total_count`."""
    offset = 0
    while offset < LARGEST_LIST:
        answer = await ask(PAGE, offset)
        if not answer.result:
            return
        yield answer.result
        offset += len(answer.result)
        if offset >= answer.total_count:
            return
