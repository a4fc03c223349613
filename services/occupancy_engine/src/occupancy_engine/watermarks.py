"""How far each source has been heard and handled, for judging silence.

A tick says that its source was alive at a time, and its place in UPLINKS says that everything before it came earlier.
A source's watermark moves to a tick's time only when everything up to that place is acknowledged: an engine that lags
must not take its own backlog for silence.
"""

from __future__ import annotations

from datetime import UTC, datetime

import structlog

from occupancy_engine import metrics
from occupancy_engine.store import watermarks as watermark_rows
from parking_chassis.postgres import Pool
from parking_chassis.pull_consumer import PullConsumer
from parking_contracts.uplink import Tick

log = structlog.get_logger()

REMEMBERED_TICKS = 10_000


class Watermarks:
    """Ticks this engine has seen and that the watermark has not reached yet."""

    def __init__(self, pool: Pool, consumer: PullConsumer, *, outage_seconds: float) -> None:
        self._pool = pool
        self._consumer = consumer
        self._outage_seconds = outage_seconds
        self._ticks: list[tuple[int, Tick]] = []

    def note(self, tick: Tick, stream_sequence: int) -> None:
        """Remember a tick. One lost with its engine is made up for by the next."""
        self._ticks = [*self._ticks[-REMEMBERED_TICKS:], (stream_sequence, tick)]

    async def advance(self) -> None:
        """Move the watermarks as far as the acknowledged part of the stream allows."""
        if not self._ticks:
            return
        floor = await self._consumer.ack_floor()
        passed = [tick for sequence, tick in self._ticks if sequence <= floor]
        self._ticks = [(sequence, tick) for sequence, tick in self._ticks if sequence > floor]
        newest = {tick.source: tick.at for tick in sorted(passed, key=lambda tick: tick.at)}
        for source, at in newest.items():
            async with self._pool.acquire() as connection:
                await watermark_rows.move_watermark(connection, source, at, self._outage_seconds)
            metrics.WATERMARK_AGE_SECONDS.labels(source).set((datetime.now(UTC) - at).total_seconds())
