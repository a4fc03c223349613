"""A backup put back: the database in one transaction, the streams before it is committed, all of it or nothing.

In: a whole backup, a database and a NATS that no platform uses. Out: the platform as it was, its services not started.
The database is empty until the last step, so that an interrupted restore leaves nothing that a service would take for a
platform; streams that were begun say so, and the next restore begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
from nats.js.errors import APIError

from parking_contracts.streams import STREAMS
from parkstream.backup import bus_writing, queries
from parkstream.backup.bus_reading import unpack
from parkstream.backup.manifest import Manifest
from parkstream.backup.parts import read_part
from parkstream.backup.refusals import in_plain_words
from parkstream.backup.store import present, rows
from parkstream.errors import OperatorError
from parkstream.migrate import Migration, apply_afresh, apply_rest, take_lock

if TYPE_CHECKING:
    from nats.aio.client import Client

    from parkstream.backup.queries import Connection
    from parkstream.backup.taking import Told

ALMOST = "Everything is back, but the streams are still marked as being restored. Mend NATS; restore with --replace."
STOP_THEM = "Stop every service of the platform that uses it, and try again."


@dataclass(frozen=True)
class Target:
    """What was found where the backup is to go."""

    is_used: bool
    what: str


def known_level(manifest: Manifest, migrations: Sequence[Migration]) -> int:
    """How many of this version's migrations the backup has; `OperatorError` when it has others."""
    for number, applied in enumerate(manifest.migrations):
        known = migrations[number] if number < len(migrations) else None
        if known is None or known.name != applied.name or known.sha256 != applied.sha256:
            raise OperatorError(
                f"The backup's database has {applied.name}, which this version of Parkstream "
                f"{'does not know' if known is None or known.name != applied.name else 'has otherwise'}.",
                f"Restore it with version {manifest.parkstream}, which made it, or a later one of the same line.",
            )
    return len(manifest.migrations)


async def look_at(connection: Connection, client: Client) -> Target:
    """What the target holds; `OperatorError` when a platform runs on it."""
    if services := await queries.connected_services(connection):
        raise OperatorError(f"The target is in use: {', '.join(services)} has the database open.", STOP_THEM)
    context = client.jetstream(timeout=10)
    found = await bus_writing.found_streams(context)
    for name in found:
        for consumer in await context.consumers_info(name):
            if consumer.num_waiting:
                raise OperatorError(f"The target is in use: {consumer.name} waits for messages of {name}.", STOP_THEM)
    if await queries.used_schemas(connection):
        if not await queries.is_migrated(connection):
            return Target(is_used=True, what="a database of another version")
        async with connection.transaction():
            await queries.act_as_backup(connection)
            used = await queries.has_been_used(connection)
        await queries.act_as_oneself(connection)
        if used:
            return Target(is_used=True, what="a database with a platform in it")
    full = [name for name, info in found.items() if info.state.messages and not bus_writing.is_half_restored(info)]
    return Target(is_used=bool(full), what=f"messages in {', '.join(full)}" if full else "nothing")


class Restoring:
    """One restore, by the account that owns the database."""

    def __init__(self, connection: Connection, client: Client, folder: Path, manifest: Manifest, told: Told) -> None:
        self._connection = connection
        self._client = client
        self._folder = folder
        self._manifest = manifest
        self._told = told

    async def run(self, migrations: Sequence[Migration], *, replicas: int) -> list[str]:
        """Put everything back; the migrations that were newer than the backup and were applied behind it."""
        level = known_level(self._manifest, migrations)
        await queries.settle_values(self._connection)
        await take_lock(self._connection)
        try:
            async with self._connection.transaction():
                await rows.drop_platform(self._connection)
                await apply_afresh(self._connection, migrations[:level])
                await self._load()
                newer = await apply_rest(self._connection, migrations)
                await self._fill_streams(replicas)
                await present.take_back(self._connection, await self._note())
        except asyncpg.InsufficientPrivilegeError as error:
            raise OperatorError(
                f"This account may not restore here: {error}.",
                "Restore as the database's owner, as for `parkstream migrate`.",
            ) from error
        except asyncpg.LockNotAvailableError as error:
            raise OperatorError(f"Somebody uses the target database: {error}.", STOP_THEM) from error
        with in_plain_words(ALMOST):
            context = self._client.jetstream(timeout=30)
            for stream in STREAMS:
                await bus_writing.end_stream(context, stream, replicas)
        return newer

    async def _load(self) -> None:
        await rows.empty_tables(self._connection, self._manifest.tables)
        for table in self._manifest.tables:
            await rows.make_partitions(self._connection, table)
            self._told(table.name, 0)
            count = await rows.load_table(self._connection, table, read_part(self._folder, table.part))
            if count != table.part.count:
                raise OperatorError(f"{table.name}: {count:,} rows were written of {table.part.count:,}.")
            self._told(table.name, count)
        for sequence in self._manifest.sequences:
            await rows.set_sequence(self._connection, sequence)
        await rows.forget_published(self._connection, self._manifest.published)

    async def _note(self) -> int:
        """Write this restore down; its number."""
        ends = [self._manifest.stream(name).last for name in ("SPACES", "RESERVATIONS")]
        return await rows.note_restore(self._connection, self._manifest.snapshot_at, *ends)

    async def _fill_streams(self, replicas: int) -> None:
        context = self._client.jetstream(timeout=30)
        try:
            await bus_writing.drop_streams(context)
            for stream in STREAMS:
                saved = self._manifest.stream(stream.name)
                await bus_writing.begin_stream(context, stream, saved, replicas)
                filler = bus_writing.StreamFiller(self._client, stream, saved, self._counter(stream.name))
                messages = unpack(read_part(self._folder, saved.part))
                count = await filler.fill(messages)
                if count != saved.part.count:
                    raise OperatorError(f"{stream.name}: {count:,} messages were written of {saved.part.count:,}.")
        except APIError as error:
            raise OperatorError(f"JetStream refused: {error.description} (error {error.err_code}).") from error

    def _counter(self, name: str) -> Callable[[int], None]:
        return lambda count: self._told(name, count)
