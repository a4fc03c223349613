"""Publishing occurrences at the speed of their own clock, at a multiple of it, or as fast as the broker takes them.

In: occurrences in order of delivery. Out: MQTT publishes. Nothing is skipped: who falls behind hurries.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from parking_simulator.occurrences import SECOND_NS, Occurrence
from parking_simulator.publisher import Publisher
from parking_simulator.rendering import Renderer

SHORTEST_SLEEP_SECONDS: Final = 0.001
REPORT_EVERY: Final = 50


async def publish_paced(
    occurrences: Iterable[Occurrence],
    renderer: Renderer,
    publisher: Publisher,
    *,
    speed: float | None,
    origin_ns: int,
    on_progress: Callable[[int], None],
) -> int:
    """Publish all, `speed` times as fast as they happened from `origin_ns` on (None: without waiting).

    A late frame leaves when the frame before it in the delivery does. `on_progress` learns now and then how far the
    clock has come, in ns since 1970. Returns how many were handed over; `publisher.drain()` sees them acknowledged.
    """
    began = time.monotonic()
    reached_ns = origin_ns
    count = 0
    for occurrence in occurrences:
        reached_ns = max(reached_ns, occurrence.at_ns)
        if speed is not None:
            ahead = (reached_ns - origin_ns) / SECOND_NS / speed - (time.monotonic() - began)
            if ahead > SHORTEST_SLEEP_SECONDS:
                on_progress(reached_ns)
                await asyncio.sleep(ahead)
        await publisher.publish(renderer.render(occurrence))
        count += 1
        if count % REPORT_EVERY == 0:
            on_progress(reached_ns)
    on_progress(reached_ns)
    return count
