"""A stream's events taken in batches, where one by one would cost too much: handled, and acknowledged afterwards.

Three kinds of failure, as everywhere. While a dependency is away the batch is held, kept alive at JetStream, and tried
again for ever. Anything else isolates the messages: each is tried alone; poison is set aside, and so is what keeps
failing with all dependencies well, after five attempts.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import asyncpg
import structlog

from parking_chassis.dead_letters import PoisonError, dead_letter, encode_dead_letter, subject_of
from parking_chassis.isolation import failure_of
from parking_chassis.pull_consumer import Delivery, PullConsumer
from parking_chassis.subscriber import ATTEMPTS, DEPENDENCY_AWAY, Attempts
from parking_contracts.errors import DeadLetterCode
from parking_contracts.streams import Stream

if TYPE_CHECKING:
    from nats.aio.client import Client

log = structlog.get_logger()

RETRY_SECONDS = 1.0
NAK_SECONDS = 2.0

Take = Callable[[Sequence[Delivery]], Awaitable[None]]
"""Carries out what a batch asks for, durably. Repeating any part of it does no harm. May raise PoisonError."""


class BatchSubscriber:
    """One process's share of a service's durable consumer on `stream`.

    Batches begin at least `linger_seconds` apart, so that a busy stream fills them. `away` is what says that a
    dependency is away, rather than that a message is to blame.
    """

    def __init__(
        self,
        service: str,
        client: Client,
        stream: Stream,
        take: Take,
        *,
        batch_size: int = 500,
        linger_seconds: float = 0.0,
        away: tuple[type[BaseException], ...] = DEPENDENCY_AWAY,
    ) -> None:
        self._service = service
        self._client = client
        self._consumer = PullConsumer(client, stream.name, service, batch_size=batch_size)
        self._take = take
        self._linger = linger_seconds
        self._away = away
        self._attempts = Attempts()

    async def run(self, stop: asyncio.Event) -> None:
        """Handle batches until the service stops; the batch in hand is finished, the rest given back."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self.close())
        await self.follow()
        await self.give_back()

    async def follow(self) -> None:
        """Handle batches until `close`. May be cancelled, and begun again: what was in hand is delivered again."""
        while batch := await self._consumer.next_batch():
            began = time.monotonic()
            await self._handle(batch)
            await asyncio.sleep(max(0.0, self._linger - (time.monotonic() - began)))

    def close(self) -> None:
        """Finish the batch in hand and take no more."""
        self._consumer.close()

    async def give_back(self) -> None:
        """Hand what came and was not taken to the other replicas."""
        await self._consumer.give_back()

    async def _handle(self, batch: Sequence[Delivery]) -> None:
        failure = await failure_of(self._take_patiently(batch))
        if failure is None:
            await self._consumer.ack(batch)
        elif len(batch) > 1:
            log.error("batch_isolated", messages=len(batch), exc_info=failure)
            for delivery in batch:
                await self._handle([delivery])
        else:
            await self._give_up(batch[0], failure)

    async def _take_patiently(self, batch: Sequence[Delivery]) -> None:
        while True:
            try:
                await self._take(batch)
                break
            except self._away as error:
                log.warning("batch_postponed", messages=len(batch), error=repr(error))
                await self._consumer.keep_alive(batch)
                await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  jitter
        for delivery in batch:
            self._attempts.forget(_key(delivery))

    async def _give_up(self, delivery: Delivery, failure: Exception) -> None:
        """Set poison aside at once, and what keeps failing after five attempts; ask for the rest again."""
        count = 1
        match failure:
            case PoisonError():
                poison = failure
            case asyncpg.DataError():
                poison = PoisonError(DeadLetterCode.INVALID_VALUE, str(failure))
            case _:
                count = self._attempts.failed(_key(delivery))
                log.error("message_failed", address=_address(delivery), attempt=count, exc_info=failure)
                if count < ATTEMPTS:
                    await self._consumer.nak([delivery], delay_seconds=NAK_SECONDS)
                    return
                poison = PoisonError(DeadLetterCode.UNEXPECTED_ERROR, repr(failure))
        await self._set_aside(delivery, poison, count)

    async def _set_aside(self, delivery: Delivery, poison: PoisonError, attempts: int) -> None:
        letter = dead_letter(
            poison,
            service=self._service,
            origin="jetstream",
            address=_address(delivery),
            body=delivery.payload,
            received_at=delivery.stored_at,
            attempts=attempts,
        )
        publishing = self._client.jetstream().publish(
            subject_of(letter), encode_dead_letter(letter), headers={"Nats-Msg-Id": letter.id}
        )
        if failure := await failure_of(publishing):
            log.warning("dead_letter_postponed", address=letter.address, error=repr(failure))
            await self._consumer.nak([delivery], delay_seconds=NAK_SECONDS)
            return
        log.error("message_dead_lettered", address=letter.address, code=letter.code, detail=letter.detail)
        self._attempts.forget(_key(delivery))
        await self._consumer.ack([delivery])


def _key(delivery: Delivery) -> str:
    return str(delivery.stream_sequence)


def _address(delivery: Delivery) -> str:
    return delivery.subject.decode(errors="replace")
