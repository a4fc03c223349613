"""A backup taken from a platform that goes on working: streams and tables that belong together.

What is acknowledged moves one way: INGRESS, UPLINKS and DEVICES are worked into the database, and what came of it goes
by the outboxes to DEVICES, SPACES, RESERVATIONS and DEAD_LETTERS. So the order is:

1. how far each consumer has come; then what the input streams hold, the upstream one first;
2. the moment: outboxes held still (milliseconds), a snapshot of the database, and where each stream ends;
3. what the input streams got between 1 and 2, and the event streams up to their ends;
4. every table, as the snapshot shows it.

What was acknowledged before 1 is in a stream of 1, or its effect is in the snapshot, or both: then it comes twice,
which every consumer takes. No stream holds an event of a change that the snapshot lacks, and what the snapshot has to
tell is either in a stream or still in an outbox. Nothing waits for the backup but, for the moment of 2, the outboxes.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from nats.js import api
from nats.js.errors import NotFoundError

from parking_contracts import streams
from parkstream.backup import queries
from parkstream.backup.bus_reading import Span, StreamWriter, floors, span
from parkstream.backup.manifest import Manifest, SavedStream, SavedTable
from parkstream.backup.parts import PartWriter
from parkstream.errors import OperatorError

if TYPE_CHECKING:
    from nats.aio.client import Client

    from parkstream.backup.queries import Connection

Told = Callable[[str, int], None]
"""What is being saved, and how many more rows or messages of it are."""

INPUTS = (streams.INGRESS, streams.UPLINKS, streams.DEVICES)  # upstream first
EVENTS = (streams.SPACES, streams.RESERVATIONS, streams.DEAD_LETTERS)
MOMENT_SECONDS = 1.0
MOMENT_ATTEMPTS = 60
HOLD_SECONDS = 600.0


class Taking:
    """One backup: `reader` sees the snapshot, `holder` holds the outboxes for the moment it is taken."""

    def __init__(self, reader: Connection, holder: Connection, client: Client, folder: Path, told: Told) -> None:
        self._reader = reader
        self._holder = holder
        self._client = client
        self._folder = folder
        self._told = told

    async def take(self, version: str) -> Manifest:
        """Save everything into the folder; the manifest is for the caller to write."""
        begun_at = datetime.now(UTC)
        for connection in (self._reader, self._holder):
            await queries.settle_values(connection)
            await self._become_backup(connection)
        acknowledged = {stream.name: await floors(self._client, stream) for stream in streams.STREAMS}
        async with self._held(streams.DEVICES):
            writers = {stream.name: self._writer(stream) for stream in streams.STREAMS}
            begun = {stream.name: await self._copy_input(stream, acknowledged, writers) for stream in INPUTS}
            ends = await self._moment()
            snapshot_at = datetime.now(UTC)
            waiting = await queries.outbox_events(self._reader)
            published: set[str] = set()
            for stream in INPUTS:
                first = begun[stream.name].last + 1
                published |= await self._copy(writers[stream.name], stream, first, ends[stream.name].last, waiting)
        for stream in EVENTS:
            begun[stream.name] = whole = ends[stream.name]
            published |= await self._copy(writers[stream.name], stream, whole.first, whole.last, waiting)
        tables = [await self._save_table(table) for table in await queries.tables(self._reader)]
        return Manifest(
            parkstream=version,
            begun_at=begun_at,
            snapshot_at=snapshot_at,
            postgresql=await queries.server_version(self._reader),
            nats=str(self._client.connected_server_version),
            migrations=await queries.applied_migrations(self._reader),
            tables=tables,
            sequences=await queries.sequences(self._reader),
            streams=[
                SavedStream(
                    name=name,
                    first=begun[name].first,
                    last=ends[name].last,
                    floors=acknowledged[name],
                    newest=writer.newest,
                    part=await writer.finish(),
                )
                for name, writer in writers.items()
            ],
            published=sorted(published),
            finished_at=datetime.now(UTC),
        )

    async def _become_backup(self, connection: Connection) -> None:
        if not await queries.is_migrated(connection):
            raise OperatorError("The database is not of this version.", "Run `parkstream migrate`.")
        try:
            await queries.act_as_backup(connection)
        except asyncpg.InsufficientPrivilegeError as error:
            raise OperatorError(
                f"This account may not read everything: {error}.",
                f"Let the database's owner say: GRANT {queries.ROLE} TO <account> WITH INHERIT FALSE, SET TRUE",
            ) from error

    def _writer(self, stream: streams.Stream) -> StreamWriter:
        return StreamWriter(self._client, stream, PartWriter(self._folder, f"streams/{stream.name}.msgpack.gz"))

    async def _copy_input(
        self, stream: streams.Stream, acknowledged: dict[str, dict[str, int]], writers: dict[str, StreamWriter]
    ) -> Span:
        """Save what the stream holds now and some consumer has not acknowledged."""
        now = await span(self._client, stream)
        first = max(now.first, min(acknowledged[stream.name].values()) + 1)
        await self._copy(writers[stream.name], stream, first, now.last, set())
        return Span(first, now.last)

    async def _copy(
        self, writer: StreamWriter, stream: streams.Stream, first: int, last: int, waiting: set[str]
    ) -> set[str]:
        return await writer.copy(first, last, lambda count: self._told(stream.name, count), waiting)

    async def _save_table(self, table: queries.Table) -> SavedTable:
        writer = PartWriter(self._folder, f"database/{table.name}.copy.gz")

        async def write(data: bytes) -> None:
            self._told(table.name, data.count(b"\n"))
            await writer.write(data)

        count = await queries.copy_rows(self._reader, table, write)
        return SavedTable(
            name=table.name,
            columns=list(table.columns),
            partitions=list(table.partitions),
            part=await writer.finish(count),
        )

    async def _moment(self) -> dict[str, Span]:
        """Begin the snapshot, with no event on its way; where each stream ends at that moment."""
        for _ in range(MOMENT_ATTEMPTS):
            try:
                async with asyncio.timeout(MOMENT_SECONDS), self._outboxes_held():
                    await queries.begin_snapshot(self._reader)
                    found = await asyncio.gather(*(span(self._client, stream) for stream in streams.STREAMS))
                    return {stream.name: one for stream, one in zip(streams.STREAMS, found, strict=True)}
            except (asyncpg.LockNotAvailableError, TimeoutError):
                await queries.end_snapshot(self._reader)
            await asyncio.sleep(random.uniform(0.05, 0.5))  # noqa: S311  so as not to keep step with what is in the way
        raise OperatorError(
            f"In {MOMENT_ATTEMPTS} attempts there was no moment in which all events were published or noted.",
            "A transaction holds an outbox for long (pg_stat_activity shows it), or NATS answers slowly. Try again.",
        )

    @asynccontextmanager
    async def _outboxes_held(self) -> AsyncIterator[None]:
        transaction = self._holder.transaction()
        await transaction.start()
        try:
            await queries.hold_outboxes(self._holder)
            yield
        finally:
            await transaction.rollback()

    @asynccontextmanager
    async def _held(self, stream: streams.Stream) -> AsyncIterator[None]:
        """Let an interest stream keep what comes, by an interest of ours; should we be killed, it ends by itself."""
        context = self._client.jetstream(timeout=10)
        consumer = await context.add_consumer(
            stream.name,
            api.ConsumerConfig(
                deliver_policy=api.DeliverPolicy.NEW,
                ack_policy=api.AckPolicy.EXPLICIT,
                inactive_threshold=HOLD_SECONDS,
            ),
        )
        try:
            yield
        finally:
            with contextlib.suppress(NotFoundError):  # it took longer, and what came last is with the services
                await context.delete_consumer(stream.name, consumer.name)
