"""The outbox: events written in the transaction that caused them, and the relay that hands them to JetStream.

One relay per service publishes (the holder of a session advisory lock; replicas wait for it), the events about one
thing in id order, with `Nats-Msg-Id` = event id, as CloudEvents 1.0 in NATS binary mode, and deletes what JetStream
has confirmed. A crash in between publishes again under the same id. A dead letter that belongs to a committed effect
goes the same way. Woken by NOTIFY at commit, and by a poll behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import structlog

from parking_chassis.isolation import failure_of
from parking_chassis.outbox_floor import OutboxFloor, Sighting
from parking_chassis.postgres import DATABASE_AWAY, Connection, Pool, listening
from parking_chassis.turns import take_turn
from parking_chassis.windowed_publisher import Publication, WindowedPublisher
from parking_contracts import subjects
from parking_contracts.streams import stream_of

if TYPE_CHECKING:
    from nats.aio.client import Client

log = structlog.get_logger()

BATCH = 500
POLL_SECONDS = 1.0
RETRY_SECONDS = 1.0


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event to be published: its subject, its CloudEvents type and its JSON."""

    subject: str
    type: str
    payload: bytes


def channel_of(schema: str) -> str:
    """Where NOTIFY wakes the relay of a schema's outbox."""
    return f"{schema}_outbox"


async def write_events(connection: Connection, schema: str, events: Sequence[Event]) -> None:
    """Put events into the schema's outbox, in order, and wake the relay when the transaction commits.

    The condition is always true: it gives the transaction its number before an event takes an id, see `OutboxFloor`.
    """
    if not events:
        return
    await connection.execute(
        f"""
        WITH written AS (
            INSERT INTO {schema}.outbox (subject, type, payload)
            SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[])
            WHERE pg_current_xact_id() IS NOT NULL
        )
        SELECT pg_notify('{channel_of(schema)}', '')
        """,  # noqa: S608  the schema is the service's own name
        [event.subject for event in events],
        [event.type for event in events],
        [event.payload for event in events],
    )


class OutboxRelay:
    """Publishes one schema's outbox for ever, while this process holds the relay's lock."""

    def __init__(self, pool: Pool, client: Client, *, schema: str, source: str) -> None:
        self._pool = pool
        self._schema = schema
        self._source = source
        self._publisher = WindowedPublisher(client, atomic=True)
        # Device facts and dead letters go to streams that take no atomic batches; a batch belongs to one stream.
        self._single_publisher = WindowedPublisher(client, atomic=False)
        self._wake = asyncio.Event()
        self.is_relaying = False

    async def run(self) -> None:
        """Relay for ever; a database that is away is waited for."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publisher.run())
            group.create_task(self._single_publisher.run())
            while True:
                failure = await failure_of(self._relay_while_locked())
                if failure and not isinstance(failure, DATABASE_AWAY):
                    log.error("outbox_relay_failed", schema=self._schema, exc_info=failure)
                self.is_relaying = False
                await asyncio.sleep(RETRY_SECONDS)

    async def _relay_while_locked(self) -> None:
        async with self._pool.acquire() as connection:
            if not await take_turn(connection, f"{self._schema}.outbox"):
                return
            async with listening(connection, channel_of(self._schema), self._on_notify):
                # A deletion lost in a crash only publishes again under the same id: it need not wait for the disk. And
                # a table that was empty when the plan was made is read by its index, not read whole and sorted.
                await connection.execute(
                    "SET synchronous_commit = off; SET enable_seqscan = off; SET enable_sort = off"
                )
                self.is_relaying = True
                log.info("outbox_relay_started", schema=self._schema)
                floor = OutboxFloor(time.monotonic)
                while True:
                    if await self._relay_batch(connection, floor) < BATCH:
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(POLL_SECONDS):
                                await self._wake.wait()
                    self._wake.clear()

    async def _relay_batch(self, connection: Connection, floor: OutboxFloor) -> int:
        rows = await connection.fetch(
            f"""
            SELECT id, event_id, subject, type, time, payload,
                (SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint) AS ended_below
            FROM {self._schema}.outbox WHERE id > $1 ORDER BY id LIMIT {BATCH}
            """,  # noqa: S608  the schema is the service's own name
            floor.begin(),
        )
        if rows:
            await _while_speaking(connection, self._publish(rows))
            # Not the end of the look's snapshot, which lies behind what had ended: what still ran may be above it.
            begin_from = await connection.fetchval(
                f"""
                WITH gone AS (DELETE FROM {self._schema}.outbox WHERE id = ANY($1))
                SELECT pg_current_xact_id()::text::bigint
                """,  # noqa: S608
                [row["id"] for row in rows],
            )
            floor.gone(Sighting(rows[-1]["id"], len(rows) < BATCH, rows[-1]["ended_below"], begin_from))
        return len(rows)

    async def _publish(self, rows: Sequence[asyncpg.Record]) -> None:
        for is_atomic, publisher in ((True, self._publisher), (False, self._single_publisher)):
            of_these = [row for row in rows if stream_of(row["subject"]).allow_atomic is is_atomic]
            for one_of_each in _rounds(of_these):
                await publisher.publish_all([self._publication(row) for row in one_of_each])

    def _publication(self, row: asyncpg.Record) -> Publication:
        event_id = str(row["event_id"])
        return Publication(
            subject=row["subject"],
            payload=row["payload"],
            message_id=event_id,
            headers=self._cloud_event_headers(event_id, row),
        )

    def _cloud_event_headers(self, event_id: str, row: asyncpg.Record) -> bytes:
        lines = (
            "ce-specversion: 1.0",
            f"ce-id: {event_id}",
            f"ce-type: {row['type']}",
            f"ce-source: {self._source}",
            f"ce-time: {row['time'].isoformat()}",
            "content-type: application/json",
        )
        return ("\r\n".join(lines) + "\r\n").encode()

    def _on_notify(self, *_: object) -> None:
        self._wake.set()


async def _while_speaking(connection: Connection, publishing: Coroutine[None, None, None]) -> None:
    """Publish, however long JetStream is away, on a session that says something meanwhile."""
    task = asyncio.create_task(publishing)
    try:
        while not (await asyncio.wait({task}, timeout=POLL_SECONDS))[0]:
            await connection.execute("SELECT 1")
        await task
    finally:
        task.cancel()


def _rounds(rows: Sequence[asyncpg.Record]) -> list[list[asyncpg.Record]]:
    """Split events so that no round holds two about the same thing.

    A round is published side by side and confirmed before the next, so the order of one thing's events survives
    every retry.
    """
    rounds: list[list[asyncpg.Record]] = []
    told: dict[str, int] = {}
    for row in rows:
        about = subjects.thing_of(row["subject"])
        told[about] = number = told.get(about, -1) + 1
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(row)
    return rounds
