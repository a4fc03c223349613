"""How a message of a quiet stream is settled: done, poison, tried again, or given up on after five real attempts.

For FastStream subscribers with a manual ack policy. An outage never counts as an attempt, so it never turns a message
into a dead letter; the server's own delivery count would.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import structlog
from nats.errors import Error as NatsError

from parking_chassis.dead_letters import PoisonError, dead_letter, encode_dead_letter, subject_of
from parking_chassis.postgres import DATABASE_AWAY
from parking_contracts.errors import DeadLetterCode

if TYPE_CHECKING:
    from faststream.nats import NatsMessage
    from nats.js import JetStreamContext

log = structlog.get_logger()

DEPENDENCY_AWAY: tuple[type[BaseException], ...] = (*DATABASE_AWAY, NatsError)
ATTEMPTS = 5
RETRY_SECONDS = 2
REMEMBERED = 10_000


class Attempts:
    """Counts the unexpected failures of each message, in code."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, int] = OrderedDict()

    def failed(self, key: str) -> int:
        """Count one more failure of this message and say how many there are."""
        self._failures[key] = self._failures.pop(key, 0) + 1
        if len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)
        return self._failures[key]

    def forget(self, key: str) -> None:
        """The message is settled."""
        self._failures.pop(key, None)


class Settler:
    """Runs a handler for a message and settles the message by what came of it."""

    def __init__(self, service: str, jetstream: JetStreamContext) -> None:
        self._service = service
        self._jetstream = jetstream
        self._attempts = Attempts()

    async def settle(self, message: NatsMessage, handle: Callable[[bytes], Awaitable[None]]) -> None:
        """Acknowledge after `handle` returned; set poison aside; try everything else again."""
        raw = message.raw_message
        # The subject too: streams count on their own, and one settler may serve several.
        key = f"{raw.subject} {raw.reply.rsplit('.', 4)[1]}" if raw.reply else raw.subject
        try:
            await handle(raw.data)
        except DEPENDENCY_AWAY as error:
            log.warning("message_postponed", subject=raw.subject, error=repr(error))
            await message.nack(delay=RETRY_SECONDS)
            return
        except PoisonError as poison:
            await self._set_aside(message, poison, 1)
        except asyncpg.DataError as error:
            await self._set_aside(message, PoisonError(DeadLetterCode.INVALID_VALUE, str(error)), 1)
        except Exception as error:
            count = self._attempts.failed(key)
            log.exception("message_failed", subject=raw.subject, attempt=count)
            if count < ATTEMPTS:
                await message.nack(delay=RETRY_SECONDS)
                return
            await self._set_aside(message, PoisonError(DeadLetterCode.UNEXPECTED_ERROR, repr(error)), count)
        self._attempts.forget(key)
        await message.ack()

    async def _set_aside(self, message: NatsMessage, poison: PoisonError, attempts: int) -> None:
        raw = message.raw_message
        letter = dead_letter(
            poison,
            service=self._service,
            origin="jetstream",
            address=raw.subject,
            body=raw.data,
            received_at=datetime.now(UTC),
            attempts=attempts,
        )
        await self._jetstream.publish(
            subject_of(letter), encode_dead_letter(letter), headers={"Nats-Msg-Id": letter.id}
        )
        log.error("message_dead_lettered", subject=raw.subject, code=poison.code, detail=poison.detail)
