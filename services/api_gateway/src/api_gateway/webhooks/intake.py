"""Events in: SPACES and RESERVATIONS become deliveries, and are acknowledged once those are committed.

All replicas share one durable consumer per stream, and one of them at a time takes events in (the holder of a session
advisory lock; the others stand by), so that each endpoint's deliveries are written in stream order. Most events concern
nobody: a batch first asks which of its tenants have an endpoint, and only their events are read. That question is put
after the events have come, so an endpoint misses nothing from the moment it exists. Batches are at least LINGER_SECONDS
apart, which bounds the questions; an event on a quiet bus never waits.

A message that comes again writes nothing twice (the event's id is unique per endpoint). A database that is away is
waited for, with the batch kept alive; a message that cannot be read, or keeps failing alone, becomes a dead letter.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import structlog
from nats.errors import Error as NatsError

from api_gateway import metrics
from api_gateway.live.announcement import UnreadableEventError
from api_gateway.live.position import FOLLOWED
from api_gateway.webhooks.events import HEADERS, WebhookEvent, read_event
from api_gateway.webhooks.queries import arrivals
from parking_chassis.dead_letters import PoisonError, dead_letter, encode_dead_letter, subject_of
from parking_chassis.isolation import failure_of
from parking_chassis.postgres import DATABASE_AWAY, Pool
from parking_chassis.pull_consumer import Delivery, PullConsumer
from parking_chassis.subscriber import ATTEMPTS, Attempts
from parking_contracts import subjects
from parking_contracts.errors import DeadLetterCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.client import Client

log = structlog.get_logger()

SERVICE = "api_gateway"
BATCH = 1_000
LINGER_SECONDS = 0.05
STANDBY_SECONDS = 1.0
RETRY_SECONDS = 1.0
NAK_SECONDS = 2.0
# Not migrated yet counts as away: no message is to blame.
AWAY: tuple[type[BaseException], ...] = (
    *DATABASE_AWAY,
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
        self._client = client
        self._on_written = on_written
        self._consumers = [PullConsumer(client, stream.name, SERVICE, batch_size=BATCH) for stream in FOLLOWED]
        self._attempts = Attempts()
        self._stopping = False
        self.is_leading = False

    async def run(self) -> None:
        """Take events in, or stand by, until `stop`."""
        while not self._stopping:
            failure = await failure_of(self._lead())
            if failure is not None and self.is_leading:
                log.warning("webhook_intake_interrupted", error=repr(failure))
            self.is_leading = False
            for consumer in self._consumers:
                await failure_of(consumer.give_back())
            if not self._stopping:
                await asyncio.sleep(STANDBY_SECONDS)

    def stop(self) -> None:
        """Finish the batches in hand and take no more."""
        self._stopping = True
        for consumer in self._consumers:
            consumer.close()

    async def _lead(self) -> None:
        async with self._pool.acquire() as connection:
            if not await arrivals.lock_intake(connection):
                return
            self.is_leading = True
            log.info("webhook_intake_started")
            try:
                async with asyncio.TaskGroup() as group:
                    watching = group.create_task(self._watch(connection))
                    streams = [group.create_task(self._take_stream(index)) for index in range(len(FOLLOWED))]
                    await asyncio.gather(*streams)
                    watching.cancel()
            finally:
                await failure_of(_unlock(connection))

    async def _watch(self, connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record]) -> None:
        while True:
            await asyncio.sleep(STANDBY_SECONDS)
            await arrivals.still_there(connection)

    async def _take_stream(self, stream: int) -> None:
        consumer = self._consumers[stream]
        while batch := await consumer.next_batch():
            began = time.monotonic()
            failure = await failure_of(self._commit(stream, batch))
            if failure is not None:
                log.error("webhook_batch_isolated", messages=len(batch), exc_info=failure)
                for delivery in batch:
                    await self._take_alone(stream, delivery)
            metrics.WEBHOOK_EVENTS.labels(FOLLOWED[stream].name).inc(len(batch))
            await asyncio.sleep(max(0.0, LINGER_SECONDS - (time.monotonic() - began)))

    async def _commit(self, stream: int, batch: Sequence[Delivery]) -> None:
        """Write what the batch gives rise to, however long the database stays away; then acknowledge."""
        while True:
            try:
                await self._write(stream, batch)
                break
            except AWAY as error:
                log.warning("webhook_intake_waiting", error=repr(error))
                await self._consumers[stream].keep_alive(batch)
                await asyncio.sleep(RETRY_SECONDS)
        await self._consumers[stream].ack(batch)

    async def _write(self, stream: int, batch: Sequence[Delivery]) -> None:
        tenants = {tenant for one in batch if (tenant := _tenant_of(one)) is not None}
        async with self._pool.acquire() as connection:
            wanting = await arrivals.tenants_with_endpoints(connection, tenants)
            events = await self._read(stream, [one for one in batch if _tenant_of(one) in wanting]) if wanting else []
            if events and await arrivals.insert_deliveries(connection, events):
                self._on_written()

    async def _read(self, stream: int, batch: Sequence[Delivery]) -> list[WebhookEvent]:
        """The events of the batch; what is none is set aside, and acknowledged with the rest."""
        events = []
        for one in batch:
            headers = {name: value.decode() for name in HEADERS if (value := one.header(name.encode())) is not None}
            try:
                events.append(read_event(stream, one.stream_sequence, headers, one.payload, one.stored_at))
            except UnreadableEventError as error:
                await self._set_aside(one, PoisonError(DeadLetterCode.INVALID_EVENT, str(error)), 1)
        return events

    async def _take_alone(self, stream: int, delivery: Delivery) -> None:
        key = f"{stream} {delivery.stream_sequence}"
        failure = await failure_of(self._commit(stream, [delivery]))
        if failure is not None and not isinstance(failure, NatsError):
            count = self._attempts.failed(key)
            if count < ATTEMPTS:
                await self._consumers[stream].nak([delivery], delay_seconds=NAK_SECONDS)
                return
            await self._set_aside(delivery, PoisonError(DeadLetterCode.UNEXPECTED_ERROR, repr(failure)), count)
            await self._consumers[stream].ack([delivery])
        self._attempts.forget(key)

    async def _set_aside(self, delivery: Delivery, poison: PoisonError, attempts: int) -> None:
        letter = dead_letter(
            poison,
            service=SERVICE,
            origin="jetstream",
            address=delivery.subject.decode(errors="replace"),
            body=delivery.payload,
            received_at=delivery.stored_at,
            attempts=attempts,
        )
        await self._client.jetstream().publish(
            subject_of(letter), encode_dead_letter(letter), headers={"Nats-Msg-Id": letter.id}
        )
        log.error("webhook_event_dead_lettered", subject=letter.address, code=letter.code, detail=letter.detail)


async def _unlock(connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record]) -> None:
    await connection.reset()


def _tenant_of(delivery: Delivery) -> UUID | None:
    try:
        return UUID(subjects.tenant_of(delivery.subject.decode()))
    except (ValueError, IndexError):
        return None
