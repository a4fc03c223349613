"""Webhooks out: one loop per process that settles what has come back, then claims what is due and has room.

Claims are rows with a lease, so replicas share the work and whoever dies leaves it to the others after a while (a
receiver may then get the same `webhook-id` again). At most so many attempts are under way in this process and to one
endpoint; an endpoint that keeps failing gets one at a time, so that slow receivers cannot take all places. Attempts to
an endpoint begin in the order of its events; a delivery that failed waits for its retry and holds nothing up.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import structlog

from api_gateway import metrics
from api_gateway.settings import WebhookSettings
from api_gateway.webhooks.outcomes import Answer, Verdict, judge
from api_gateway.webhooks.queries import sending
from api_gateway.webhooks.receivers import Receivers
from api_gateway.webhooks.signing import signed_headers
from parking_chassis.isolation import failure_of
from parking_chassis.postgres import Pool

log = structlog.get_logger()

LEASE_MARGIN_SECONDS = 15.0
RETRY_SECONDS = 1.0
# While attempts are under way: so that what comes back together is settled together.
LINGER_SECONDS = 0.01


class Sender:
    """Posts what is due, for ever; `wake` when something may have become so."""

    def __init__(self, pool: Pool, settings: WebhookSettings, receivers: Receivers) -> None:
        self._pool = pool
        self._settings = settings
        self._receivers = receivers
        self._wake = asyncio.Event()
        self._in_flight: dict[asyncio.Task[Answer], asyncpg.Record] = {}
        self._came_back: list[sending.Settled] = []
        self._stopping = False

    @property
    def in_flight(self) -> int:
        """How many attempts are under way."""
        return len(self._in_flight)

    def wake(self) -> None:
        """Look for work now rather than at the next poll."""
        self._wake.set()

    async def run(self) -> None:
        """Send until `stop`, and then settle what is under way."""
        while not self._stopping or self._in_flight or self._came_back:
            failure = await failure_of(self._turn())
            if failure is not None:
                log.warning("webhooks_waiting", error=repr(failure))
                await asyncio.sleep(RETRY_SECONDS)
            await self._pause()

    def stop(self, patience_seconds: float) -> None:
        """Begin no more attempts; those under way have so long to end, then they are tried again elsewhere."""
        self._stopping = True
        self.wake()
        asyncio.get_running_loop().call_later(patience_seconds, self._interrupt)

    def _interrupt(self) -> None:
        for attempt in self._in_flight:
            attempt.cancel()

    async def _turn(self) -> None:
        self._wake.clear()
        await self._settle()
        free = 0 if self._stopping else self._settings.webhook_in_flight_count - len(self._in_flight)
        if free <= 0:
            return
        async with self._pool.acquire() as connection, connection.transaction():
            await sending.lock_claims(connection)
            claimed = await sending.claim_due(
                connection,
                limit=free,
                per_endpoint=self._settings.webhook_endpoint_in_flight_count,
                lease_seconds=self._settings.webhook_attempt_seconds + LEASE_MARGIN_SECONDS,
            )
        for delivery in claimed:
            attempt = asyncio.create_task(self._attempt(delivery))
            self._in_flight[attempt] = delivery
            attempt.add_done_callback(self._on_done)
        metrics.WEBHOOKS_IN_FLIGHT.set(len(self._in_flight))

    async def _attempt(self, delivery: asyncpg.Record) -> Answer:
        headers = signed_headers(delivery["event_id"], datetime.now(UTC), delivery["body"], delivery["secrets"])
        return await self._receivers.post(delivery["url"], headers, delivery["body"])

    def _on_done(self, attempt: asyncio.Task[Answer]) -> None:
        delivery = self._in_flight.pop(attempt)
        answer = _answer_of(attempt)
        draw = random.random()  # noqa: S311  jitter
        verdict = judge(answer, delivery["tries"], self._settings.webhook_retry_seconds, draw)
        self._came_back.append((delivery, answer, verdict))
        _count(answer, verdict)
        self._wake.set()

    async def _settle(self) -> None:
        if not self._came_back:
            return
        settled = list(self._came_back)
        async with self._pool.acquire() as connection, connection.transaction():
            disabled = await sending.settle(connection, settled, disable_days=self._settings.webhook_disable_days)
        del self._came_back[: len(settled)]
        for endpoint in disabled:
            log.warning(
                "webhook_endpoint_disabled",
                tenant=str(endpoint["tenant_id"]),
                endpoint=str(endpoint["id"]),
                why=endpoint["disabled_reason"],
            )
            metrics.WEBHOOK_ENDPOINTS_DISABLED.inc()
        _log_failures(settled)

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.webhook_poll_seconds):
                await self._wake.wait()
        if self._in_flight:
            await asyncio.sleep(LINGER_SECONDS)


def _answer_of(attempt: asyncio.Task[Answer]) -> Answer:
    if attempt.cancelled():
        return Answer(datetime.now(UTC), 0.0, error="interrupted: the gateway was stopped", interrupted=True)
    error = attempt.exception()
    if error is not None:
        log.error("webhook_attempt_broken", exc_info=error)
        return Answer(datetime.now(UTC), 0.0, error="an error of ours; it is tried again")
    return attempt.result()


def _count(answer: Answer, verdict: Verdict) -> None:
    outcome = "interrupted" if answer.interrupted else "retried" if verdict.state == "pending" else verdict.state
    metrics.WEBHOOK_ATTEMPTS.labels(outcome).inc()
    metrics.WEBHOOK_ATTEMPT_SECONDS.observe(answer.seconds)


def _log_failures(settled: Sequence[sending.Settled]) -> None:
    for delivery, answer, verdict in settled:
        if verdict.state != "delivered":
            log.info(
                "webhook_attempt_failed",
                tenant=str(delivery["tenant_id"]),
                endpoint=str(delivery["endpoint_id"]),
                delivery=str(delivery["id"]),
                attempt=delivery["attempts"],
                status=answer.status,
                error=answer.error,
                state=verdict.state,
            )
