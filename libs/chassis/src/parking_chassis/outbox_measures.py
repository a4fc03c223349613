"""How much the outbox holds and for how long, asked of PostgreSQL by a clock.

Every replica counts, and says whether it is the one that publishes.
"""

from __future__ import annotations

from parking_chassis import metrics
from parking_chassis.outbox import OutboxRelay
from parking_chassis.postgres import Pool

COUNTED = 10_000


class OutboxMeasures:
    """The figures of one schema's outbox, set by `measure_outbox`."""

    def __init__(self, pool: Pool, relay: OutboxRelay, *, schema: str) -> None:
        self._pool = pool
        self._schema = schema
        metrics.OUTBOX_RELAYING.labels(schema).set_function(lambda: relay.is_relaying)

    async def measure_outbox(self) -> None:
        """One round. A long backlog is counted as far as `COUNTED`: how old it is says more."""
        async with self._pool.acquire() as connection:
            [(count, seconds)] = await connection.fetch(
                f"""
                SELECT (SELECT count(*) FROM (SELECT FROM {self._schema}.outbox LIMIT {COUNTED}) AS waiting),
                       extract(epoch FROM now() - (SELECT time FROM {self._schema}.outbox ORDER BY id LIMIT 1))::float8
                """  # noqa: S608  the schema is the service's own name
            )
        metrics.OUTBOX_EVENTS.labels(self._schema).set(count)
        metrics.OUTBOX_OLDEST_SECONDS.labels(self._schema).set(max(0.0, seconds or 0.0))
