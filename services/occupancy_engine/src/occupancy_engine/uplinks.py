"""The life of an uplink in the engine: pulled in batches, taken in by one transaction, acknowledged once committed.

Three kinds of failure. Poison is set aside and acknowledged. While the database is away the batch is held, kept alive
at JetStream, and tried again for ever. Anything unexpected isolates the messages: each is tried alone, and one that
keeps failing with all dependencies well is set aside after five attempts.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
import msgspec
import structlog

from occupancy_engine import SCHEMA, SERVICE, metrics
from occupancy_engine.batch import TakenIn, codec_failure, take_in
from occupancy_engine.decoders import Decoders
from occupancy_engine.overlap import AheadError, Turn, nobody_ahead
from occupancy_engine.redecoding import redecode_again
from occupancy_engine.watermarks import Watermarks
from parking_chassis.dead_letters import (
    UNREADABLE,
    PoisonError,
    dead_letter,
    encode_dead_letter,
    subject_of,
)
from parking_chassis.isolation import failure_of
from parking_chassis.outbox import write_events
from parking_chassis.postgres import DATABASE_AWAY, Pool
from parking_chassis.pull_consumer import Delivery, PullConsumer
from parking_chassis.subscriber import ATTEMPTS, Attempts
from parking_chassis.windowed_publisher import Publication, WindowedPublisher
from parking_contracts import subjects
from parking_contracts.errors import DeadLetterCode
from parking_contracts.uplink import Tick, UplinkReceived

log = structlog.get_logger()

REPLAY_HEADER = b"Parkstream-Replay"
TICK_SUBJECT = subjects.TICK.encode()
BATCHES_AT_ONCE = 3
PACE_SECONDS = 0.005  # of small batches: their transactions would otherwise take the CPU from each other
WORTH_OVERLAPPING = 200  # a transaction costs as much as some forty uplinks
RETRY_SECONDS = 1.0
NAK_SECONDS = 2.0

_decode_uplink = msgspec.json.Decoder(UplinkReceived).decode
_decode_tick = msgspec.json.Decoder(Tick).decode


class Work(msgspec.Struct, frozen=True):
    """A delivery and what it carries."""

    delivery: Delivery
    uplink: UplinkReceived


class Uplinks:
    """Handles the UPLINKS stream, side by side with any number of other engines."""

    def __init__(
        self,
        pool: Pool,
        consumer: PullConsumer,
        dead_letters: WindowedPublisher,
        decoders: Decoders,
        watermarks: Watermarks,
    ) -> None:
        self._pool = pool
        self._consumer = consumer
        self._dead_letters = dead_letters
        self._decoders = decoders
        self._watermarks = watermarks
        self._attempts = Attempts()

    async def run(self, stop: asyncio.Event) -> None:
        """Handle batches until the service stops; those in hand are finished, the rest given back.

        While PostgreSQL writes one batch we work on the next. That one begins when the devices of this one are locked,
        and has to wait for those that they share: so a device's frames keep their order. They are committed in turn.
        """
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._consumer.close())
        room = asyncio.Semaphore(BATCHES_AT_ONCE)
        ahead = nobody_ahead()
        async with asyncio.TaskGroup() as batches:
            while await room.acquire() and (deliveries := await self._consumer.next_batch()):
                turn = Turn()
                batch = batches.create_task(self._handle(deliveries, turn, ahead))
                batch.add_done_callback(lambda _: room.release())
                await turn.locked.wait()
                ahead = turn
                if len(deliveries) + self._consumer.waiting < WORTH_OVERLAPPING:
                    await asyncio.gather(batch, asyncio.sleep(PACE_SECONDS))
        await self._consumer.give_back()

    async def _handle(self, deliveries: Sequence[Delivery], turn: Turn, ahead: Turn) -> None:
        """One batch, to the end: committed or set aside, then acknowledged."""
        started = time.perf_counter()
        work, ticks = await self._read(deliveries)
        if work and (failure := await failure_of(self._commit(work, turn, ahead))):
            log.error("batch_isolated", messages=len(work), exc_info=failure)
            turn.try_ended(committed=False)
            await self._wait_for(ahead, work)
            for one in work:
                await self._handle_alone(one)
        await self._consumer.ack([tick for tick, _ in ticks])
        for delivery, tick in ticks:
            self._watermarks.note(tick, delivery.stream_sequence)
        await ahead.done.wait()
        turn.end()
        metrics.BATCH_SIZE.observe(len(deliveries))
        metrics.BATCH_SECONDS.observe(time.perf_counter() - started)

    async def _read(self, deliveries: Sequence[Delivery]) -> tuple[list[Work], list[tuple[Delivery, Tick]]]:
        """Tell uplinks and ticks apart; what is neither is set aside at once."""
        work: list[Work] = []
        ticks: list[tuple[Delivery, Tick]] = []
        poison: list[tuple[Delivery, PoisonError]] = []
        for delivery in deliveries:
            try:
                if delivery.subject == TICK_SUBJECT:
                    ticks.append((delivery, _decode_tick(delivery.payload)))
                else:
                    work.append(Work(delivery, _decode_uplink(delivery.payload)))
            except UNREADABLE as error:
                poison.append((delivery, PoisonError(DeadLetterCode.INVALID_EVENT, f"not as in the contract: {error}")))
        await self._set_aside(poison)
        return work, ticks

    async def _commit(self, work: Sequence[Work], turn: Turn, ahead: Turn) -> None:
        """Take the frames in and commit, however long the database stays away; then acknowledge."""
        away = False
        while True:
            try:
                taken = await self._take_in(work, turn, ahead)
                break
            except AheadError:
                turn.try_ended(committed=False)
            except DATABASE_AWAY as error:
                turn.try_ended(committed=False)
                if not away:
                    log.warning("database_away", error=repr(error), messages=len(work))
                away = True
                await self._pause(work)
            await self._wait_for(ahead, work)
        turn.try_ended(committed=True)
        await self._consumer.ack([one.delivery for one in work])
        _count(work, taken)

    async def _wait_for(self, ahead: Turn, work: Sequence[Work]) -> None:
        while not ahead.done.is_set():
            await self._pause(work)

    async def _pause(self, work: Sequence[Work]) -> None:
        await self._consumer.keep_alive([one.delivery for one in work])
        await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  jitter

    async def _take_in(self, work: Sequence[Work], turn: Turn, ahead: Turn) -> TakenIn:
        """Commit a batch. A replayed frame is known already: what it could not say before is read again."""
        async with self._pool.acquire() as connection, connection.transaction():
            taken = await take_in(connection, [one.uplink for one in work], self._decoders, turn.locked.set)
            for one in work:
                if one.delivery.header(REPLAY_HEADER) is None or any(one.uplink is new for new in taken.unreadable):
                    continue
                if why := await redecode_again(connection, one.uplink, self._decoders):
                    await write_events(connection, SCHEMA, [codec_failure(one.uplink, why)])
            await ahead.let_pass()
            return taken

    async def _handle_alone(self, one: Work) -> None:
        key = str(one.delivery.stream_sequence)
        match await failure_of(self._commit([one], Turn(), nobody_ahead())):
            case None:
                pass
            case asyncpg.DataError() | OverflowError() as error:
                await self._give_up(one, PoisonError(DeadLetterCode.INVALID_VALUE, str(error)), 1)
            case error:
                count = self._attempts.failed(key)
                uplink = one.uplink
                log.error("uplink_failed", dev_eui=uplink.dev_eui, f_cnt=uplink.f_cnt, attempt=count, exc_info=error)
                if count < ATTEMPTS:
                    await self._consumer.nak([one.delivery], delay_seconds=NAK_SECONDS)
                    return
                await self._give_up(one, PoisonError(DeadLetterCode.UNEXPECTED_ERROR, repr(error)), count)
        self._attempts.forget(key)

    async def _give_up(self, one: Work, poison: PoisonError, attempts: int) -> None:
        await self._set_aside([(one.delivery, poison)], attempts)

    async def _set_aside(self, poison: Sequence[tuple[Delivery, PoisonError]], attempts: int = 1) -> None:
        """Publish dead letters, wait until they are durable, then acknowledge what they stand for."""
        letters = [
            dead_letter(
                error,
                service=SERVICE,
                origin="jetstream",
                address=delivery.subject.decode(errors="replace"),
                body=delivery.payload,
                received_at=delivery.stored_at,
                attempts=attempts,
            )
            for delivery, error in poison
        ]
        for letter in letters:
            metrics.DEAD_LETTERS.labels(letter.code).inc()
            log.error("uplink_dead_lettered", address=letter.address, code=letter.code, detail=letter.detail)
        await self._dead_letters.publish_all(
            [Publication(subject_of(letter), encode_dead_letter(letter), letter.id) for letter in letters]
        )
        await self._consumer.ack([delivery for delivery, _ in poison])


def _count(work: Sequence[Work], taken: TakenIn) -> None:
    undecodable = len(taken.unreadable)
    new = len(work) - taken.duplicates - taken.orphans - undecodable
    for outcome, count in (
        ("new", new),
        ("duplicate", taken.duplicates),
        ("orphan", taken.orphans),
        ("undecodable", undecodable),
    ):
        metrics.UPLINKS.labels(outcome).inc(count)
    oldest = min(one.uplink.received_at for one in work)
    metrics.UPLINK_AGE_SECONDS.observe(max((datetime.now(UTC) - oldest).total_seconds(), 0))
