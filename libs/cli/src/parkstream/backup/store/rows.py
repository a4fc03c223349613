"""All SQL that writes a restored database, inside one transaction of its owner's.

In: a connection whose account owns the database (or its schemas), as `parkstream migrate` wants it. Functions take it
and never commit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from parkstream.backup.queries import SCHEMAS

if TYPE_CHECKING:
    from datetime import datetime

    from parkstream.backup.manifest import SavedSequence, SavedTable
    from parkstream.backup.queries import Connection

LOCK_WAIT = "10s"


@asynccontextmanager
async def every_row(connection: Connection, table: str) -> AsyncIterator[None]:
    """Let the owner read and write rows of all tenants, as far as the block or the transaction goes."""
    forced = await connection.fetchval("SELECT relforcerowsecurity FROM pg_class WHERE oid = $1::text::regclass", table)
    await connection.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    yield
    if forced:
        await connection.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


async def drop_platform(connection: Connection) -> None:
    """Take away every schema of ours, with all that is in it."""
    await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
    for schema in (*SCHEMAS, "parkstream"):
        await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")


async def make_partitions(connection: Connection, table: SavedTable) -> None:
    """Those that the backup had and the migrations did not make, closed as occupancy.keep_partitions closes them."""
    schema = table.name.partition(".")[0]
    for partition in table.partitions:
        name = f'{schema}."{partition.name}"'
        if await connection.fetchval("SELECT to_regclass($1) IS NOT NULL", name):
            continue
        await connection.execute(f"CREATE TABLE {name} (LIKE {table.name} INCLUDING ALL)")
        await connection.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
        await connection.execute(f"ALTER TABLE {table.name} ATTACH PARTITION {name} {partition.bounds}")


async def empty_tables(connection: Connection, tables: Sequence[SavedTable]) -> None:
    """Take away what migrations put in."""
    await connection.execute(f"TRUNCATE {', '.join(table.name for table in tables)}")


async def load_table(connection: Connection, table: SavedTable, rows: AsyncIterator[bytes]) -> int:
    """Write a table's rows; how many there were.

    Row-level security binds the owner, and COPY will not write under it; triggers would write what other tables bring
    along. Both are as they were when the transaction ends.
    """
    schema, _, name = table.name.partition(".")
    async with every_row(connection, table.name):
        await connection.execute(f"ALTER TABLE {table.name} DISABLE TRIGGER USER")
        done: str = await connection.copy_to_table(
            name, schema_name=schema, columns=table.columns, source=rows, format="text"
        )
        await connection.execute(f"ALTER TABLE {table.name} ENABLE TRIGGER USER")
    return int(done.rpartition(" ")[2])


async def set_sequence(connection: Connection, sequence: SavedSequence) -> None:
    """Let a sequence of numbers go on where it stood."""
    await connection.execute(
        "SELECT setval($1::text::regclass, $2, $3)", sequence.name, sequence.last_value, sequence.is_called
    )


async def forget_published(connection: Connection, event_ids: Sequence[str]) -> None:
    """Take from the outboxes what the restored streams hold already."""
    for schema in ("occupancy", "reservation", "downlink"):
        async with every_row(connection, f"{schema}.outbox"):
            await connection.execute(f"DELETE FROM {schema}.outbox WHERE event_id = ANY($1)", event_ids)  # noqa: S608


async def note_restore(connection: Connection, taken_at: datetime, spaces_end: int, reservations_end: int) -> int:
    """Write down where the event streams ended; the number of this restore.

    A number of no other restore, not even of one that a later restore of an older backup forgets: seconds since 1970.
    """
    async with every_row(connection, "gateway.restores"):
        number: int = await connection.fetchval(
            """
            INSERT INTO gateway.restores (number, backup_taken_at, spaces_end, reservations_end)
            SELECT greatest(coalesce(max(number), 0) + 1, extract(epoch FROM clock_timestamp())::bigint), $1, $2, $3
            FROM gateway.restores RETURNING number
            """,
            *(taken_at, spaces_end, reservations_end),
        )
    return number
