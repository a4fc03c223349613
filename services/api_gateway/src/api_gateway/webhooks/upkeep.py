"""The clock of webhooks: measures what waits, disables endpoints with too long a backlog, forgets what is old."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from api_gateway import metrics
from api_gateway.settings import WebhookSettings
from api_gateway.webhooks.queries import upkeep
from parking_chassis.isolation import failure_of
from parking_chassis.postgres import Pool

log = structlog.get_logger()

EVERY_SECONDS = 15.0


class Upkeep:
    """Runs in every replica: each step may be taken by several at once."""

    def __init__(self, pool: Pool, settings: WebhookSettings) -> None:
        self._pool = pool
        self._settings = settings

    async def run(self) -> None:
        """Keep up, for ever."""
        while True:
            failure = await failure_of(self.keep())
            if failure is not None:
                log.warning("webhook_upkeep_waiting", error=repr(failure))
            await asyncio.sleep(EVERY_SECONDS)

    async def keep(self) -> None:
        """One round."""
        limit = self._settings.webhook_backlog_count
        async with self._pool.acquire() as connection:
            waiting = await upkeep.waiting(connection)
            oldest = min((row["oldest"] for row in waiting), default=None)
            metrics.WEBHOOKS_PENDING.set(sum(row["count"] for row in waiting))
            age = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0
            metrics.WEBHOOKS_OLDEST_PENDING.set(max(0.0, age))
            for row in waiting:
                if row["count"] > limit:
                    async with connection.transaction():
                        done = await upkeep.disable(connection, row, f"more than {limit} deliveries were waiting")
                    if done:
                        metrics.WEBHOOK_ENDPOINTS_DISABLED.inc()
                        log.warning("webhook_endpoint_disabled", endpoint=str(row["endpoint_id"]), why="backlog")
            await upkeep.cancel_stranded(connection)
            forgotten = upkeep.BATCH
            while forgotten == upkeep.BATCH:
                forgotten = await upkeep.forget(connection, self._settings.webhook_keep_days)
            await upkeep.forget_endpoints(connection)
