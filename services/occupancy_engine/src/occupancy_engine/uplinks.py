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

from occupancy_engine import metrics
from occupancy_engine.batch import TakenIn, Undecodable, take_in
from occupancy_engine.decoders import Decoders
from occupancy_engine.redecoding import redecode_again
from occupancy_engine.watermarks import Watermarks
from parking_chassis.dead_letters import UNREADABLE, PoisonError, dead_letter, encode_dead_letter, subject_of
from parking_chassis.isolation import failure_of
from parking_chassis.postgres import DATABASE_AWAY, Pool
from parking_chassis.pull_consumer import Delivery, PullConsumer
from parking_chassis.subscriber import ATTEMPTS, Attempts
from parking_chassis.windowed_publisher import Publication, WindowedPublisher
from parking_contracts import subjects
from parking_contracts.errors import DeadLetterCode
from parking_contracts.uplink import Tick, UplinkReceived

log = structlog.get_logger()

SERVICE = "occupancy_engine"
REPLAY_HEADER = b"Parkstream-Replay"
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
        self.database_away: str | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Handle batches until the service stops; the batch in hand is finished, the rest given back."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._consumer.close())
        while deliveries := await self._consumer.next_batch():
            await self.handle(deliveries)
        await self._consumer.give_back()

    async def handle(self, deliveries: Sequence[Delivery]) -> None:
        """One batch, to the end: committed or set aside, then acknowledged."""
        started = time.perf_counter()
        work, ticks = await self._read(deliveries)
        if work and (failure := await failure_of(self._commit(work))):
            log.error("batch_isolated", messages=len(work), exc_info=failure)
            for one in work:
                await self._handle_alone(one)
        await self._consumer.ack([tick for tick, _ in ticks])
        for delivery, tick in ticks:
            self._watermarks.note(tick, delivery.stream_sequence)
        metrics.BATCH_SIZE.observe(len(deliveries))
        metrics.BATCH_SECONDS.observe(time.perf_counter() - started)

    async def _read(self, deliveries: Sequence[Delivery]) -> tuple[list[Work], list[tuple[Delivery, Tick]]]:
        """Tell uplinks, ticks and poison apart; poison is set aside at once."""
        work: list[Work] = []
        ticks: list[tuple[Delivery, Tick]] = []
        for delivery in deliveries:
            try:
                work.append(Work(delivery, _decode_uplink(delivery.payload)))
            except UNREADABLE as error:
                try:
                    ticks.append((delivery, _decode_tick(delivery.payload)))
                except UNREADABLE:
                    poison = PoisonError(DeadLetterCode.INVALID_EVENT, f"not an UplinkReceived: {error}")
                    await self._set_aside([(delivery.payload, delivery.subject.decode(), poison, 1)])
                    await self._consumer.ack([delivery])
        return work, ticks

    async def _commit(self, work: Sequence[Work]) -> None:
        """Take the frames in and commit, however long the database stays away; then acknowledge."""
        while True:
            try:
                taken, unreadable = await self._take_in(work)
                break
            except DATABASE_AWAY as error:
                if self.database_away is None:
                    log.warning("database_away", error=repr(error), messages=len(work))
                self.database_away = repr(error)
                await self._consumer.keep_alive([one.delivery for one in work])
                await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  jitter
        self.database_away = None
        await self._set_aside(
            [
                (
                    msgspec.json.encode(one.uplink),
                    subjects.uplink(one.uplink.dev_eui),
                    PoisonError(DeadLetterCode.CODEC_FAILURE, one.detail),
                    1,
                )
                for one in unreadable
            ]
        )
        await self._consumer.ack([one.delivery for one in work])
        _count(work, taken)

    async def _take_in(self, work: Sequence[Work]) -> tuple[TakenIn, list[Undecodable]]:
        """Commit a batch; what came of it, and the frames to be shown to people, replays that failed again included."""
        async with self._pool.acquire() as connection, connection.transaction():
            taken = await take_in(connection, [one.uplink for one in work], self._decoders)
            unreadable = list(taken.undecodable)
            for one in work:
                if one.delivery.header(REPLAY_HEADER) is None or any(one.uplink is new.uplink for new in unreadable):
                    continue
                if why := await redecode_again(connection, one.uplink, self._decoders):
                    unreadable.append(Undecodable(one.uplink, why))
            return taken, unreadable

    async def _handle_alone(self, one: Work) -> None:
        key = str(one.delivery.stream_sequence)
        match await failure_of(self._commit([one])):
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
        await self._set_aside([(one.delivery.payload, subjects.uplink(one.uplink.dev_eui), poison, attempts)])
        await self._consumer.ack([one.delivery])

    async def _set_aside(self, letters: Sequence[tuple[bytes, str, PoisonError, int]]) -> None:
        """Publish dead letters and wait until they are durable."""
        if not letters:
            return
        waiting = len(letters)
        done = asyncio.Event()

        def confirmed() -> None:
            nonlocal waiting
            waiting -= 1
            if waiting == 0:
                done.set()

        for body, address, poison, attempts in letters:
            letter = dead_letter(
                poison,
                service=SERVICE,
                origin="jetstream",
                address=address,
                body=body,
                received_at=datetime.now(UTC),
                attempts=attempts,
            )
            metrics.DEAD_LETTERS.labels(poison.code).inc()
            log.error("uplink_dead_lettered", address=address, code=poison.code, detail=poison.detail)
            self._dead_letters.submit(Publication(subject_of(letter), encode_dead_letter(letter), letter.id, confirmed))
        await done.wait()


def _count(work: Sequence[Work], taken: TakenIn) -> None:
    undecodable = len(taken.undecodable)
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
