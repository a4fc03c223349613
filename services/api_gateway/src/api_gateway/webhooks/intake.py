"""Events in: SPACES and RESERVATIONS become deliveries, and are acknowledged once those are committed.

All replicas share one durable consumer per stream, and one of them at a time takes events in (the holder of a session
advisory lock; the others stand by), so that each endpoint's deliveries are written in stream order. Most events concern
nobody: a batch first asks which of its tenants have an endpoint, and only their events are read. That question is put
after the events have come, so an endpoint misses nothing from the moment it exists. Batches are at least LINGER_SECONDS
apart, which bounds the questions; an event on a quiet bus never waits.

A message that comes again writes nothing twice: the event's id is unique per endpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import structlog

from api_gateway import metrics
from api_gateway.live.announcement import UnreadableEventError
from api_gateway.live.position import FOLLOWED
from api_gateway.webhooks.events import HEADERS, WebhookEvent, read_event
from api_gateway.webhooks.queries import arrivals
from parking_chassis.batch_subscriber import BatchSubscriber
from parking_chassis.dead_letters import PoisonError
from parking_chassis.isolation import failure_of
from parking_chassis.postgres import Pool
from parking_chassis.process import until_stopped
from parking_chassis.pull_consumer import Delivery
from parking_chassis.subscriber import DEPENDENCY_AWAY
from parking_chassis.turns import end_turn, take_turn
from parking_contracts import subjects
from parking_contracts.errors import DeadLetterCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.client import Client

log = structlog.get_logger()

SERVICE = "api_gateway"
TURN = "gateway.webhook_intake"
BATCH = 1_000
LINGER_SECONDS = 0.05
STANDBY_SECONDS = 1.0
# Not migrated yet counts as away: no message is to blame.
AWAY: tuple[type[BaseException], ...] = (
    *DEPENDENCY_AWAY,
    asyncpg.UndefinedTableError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InvalidParameterValueError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
)


class Intake:
    """Runs in every replica. `on_written` is called when new deliveries wait."""

    def __init__(self, pool: Pool, client: Client, on_written: Callable[[], None]) -> None:
        self._pool = pool
        self._on_written = on_written
        self._streams = [
            BatchSubscriber(
                SERVICE,
                client,
                stream,
                partial(self._write, index),
                batch_size=BATCH,
                linger_seconds=LINGER_SECONDS,
                away=AWAY,
            )
            for index, stream in enumerate(FOLLOWED)
        ]
        self._stopping = asyncio.Event()
        self.is_leading = False

    async def run(self) -> None:
        """Take events in, or stand by, until `stop`."""
        while not self._stopping.is_set():
            failure = await failure_of(self._lead())
            if failure is not None and self.is_leading:
                log.warning("webhook_intake_interrupted", error=repr(failure))
            self.is_leading = False
            for stream in self._streams:  # what was asked for while we led may still come
                await failure_of(stream.give_back())
            await until_stopped(self._stopping, STANDBY_SECONDS)

    def stop(self) -> None:
        """Finish the batches in hand and take no more."""
        self._stopping.set()
        for stream in self._streams:
            stream.close()

    async def _lead(self) -> None:
        async with self._pool.acquire() as connection:
            if not await take_turn(connection, TURN):
                return
            self.is_leading = True
            log.info("webhook_intake_started")
            try:
                async with asyncio.TaskGroup() as group:
                    watching = group.create_task(self._watch(connection))
                    streams = [group.create_task(stream.follow()) for stream in self._streams]
                    await asyncio.gather(*streams)
                    watching.cancel()
            finally:
                await failure_of(end_turn(connection, TURN))

    async def _watch(self, connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record]) -> None:
        while True:
            await asyncio.sleep(STANDBY_SECONDS)
            await arrivals.still_there(connection)

    async def _write(self, stream: int, batch: Sequence[Delivery]) -> None:
        tenants = {tenant for one in batch if (tenant := _tenant_of(one)) is not None}
        async with self._pool.acquire() as connection:
            wanting = await arrivals.tenants_with_endpoints(connection, tenants)
            events = [_read(stream, one) for one in batch if _tenant_of(one) in wanting]
            if events and await arrivals.insert_deliveries(connection, events):
                self._on_written()
        metrics.WEBHOOK_EVENTS.labels(FOLLOWED[stream].name).inc(len(batch))


def _read(stream: int, delivery: Delivery) -> WebhookEvent:
    headers = {name: value.decode() for name in HEADERS if (value := delivery.header(name.encode())) is not None}
    try:
        return read_event(stream, delivery.stream_sequence, headers, delivery.payload, delivery.stored_at)
    except UnreadableEventError as error:
        raise PoisonError(DeadLetterCode.INVALID_EVENT, str(error)) from error


def _tenant_of(delivery: Delivery) -> UUID | None:
    try:
        return UUID(subjects.tenant_of(delivery.subject.decode()))
    except (ValueError, IndexError):
        return None
