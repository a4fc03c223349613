"""All SQL that reads for a backup: what there is, and its rows, in one snapshot and as the role that sees all of it.

In: a connection whose account may take `parkstream_backup`. Nothing here writes.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from parkstream.backup.manifest import AppliedMigration, Partition, SavedSequence

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

ROLE = "parkstream_backup"
SCHEMAS = ("gateway", "occupancy", "reservation", "downlink")
SERVICES = ("uplink_ingestor", "occupancy_engine", "reservation_service", "downlink_dispatcher", "api_gateway")
# Values read the same wherever they are written back.
PLAIN = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "application_name": "parkstream-backup",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}
LOCK_WAIT = "300ms"  # less than PostgreSQL waits before it looks for deadlocks, so that none is ever found


@dataclass(frozen=True)
class Table:
    """A table whose rows are saved; `columns` are those that can be written."""

    name: str
    columns: tuple[str, ...]
    partitions: tuple[Partition, ...]


async def settle_values(connection: Connection) -> None:
    """Let the session write and read values in one way."""
    for name, value in PLAIN.items():
        await connection.execute("SELECT set_config($1, $2, false)", name, value)


async def act_as_backup(connection: Connection) -> None:
    """Take the role for the rest of the session."""
    await connection.execute("SELECT set_config('role', $1, false)", ROLE)


async def act_as_oneself(connection: Connection) -> None:
    """Give the role back."""
    await connection.execute("RESET ROLE")


async def begin_snapshot(connection: Connection) -> None:
    """Begin a transaction that sees this moment until it ends."""
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    await connection.fetchval("SELECT pg_current_snapshot()::text")


async def end_snapshot(connection: Connection) -> None:
    """End it; there may be none."""
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")


async def hold_outboxes(connection: Connection) -> None:
    """Inside a transaction: nothing enters or leaves an outbox until it ends. Raises LockNotAvailableError."""
    await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
    await connection.execute("LOCK TABLE occupancy.outbox, reservation.outbox, downlink.outbox IN SHARE MODE")


async def is_migrated(connection: Connection) -> bool:
    """Whether `parkstream migrate` has been here, and made the role that reads everything."""
    return bool(
        await connection.fetchval(
            "SELECT to_regclass('gateway.restores') IS NOT NULL AND to_regrole($1) IS NOT NULL", ROLE
        )
    )


async def server_version(connection: Connection) -> int:
    """Such as 180001."""
    return int(await connection.fetchval("SELECT current_setting('server_version_num')::int"))


async def size_bytes(connection: Connection) -> int:
    """The whole database on its disk."""
    return int(await connection.fetchval("SELECT pg_database_size(current_database())"))


async def applied_migrations(connection: Connection) -> list[AppliedMigration]:
    """In order."""
    rows = await connection.fetch("SELECT name, sha256 FROM parkstream.migrations ORDER BY name")
    return [AppliedMigration(row["name"], row["sha256"]) for row in rows]


async def tables(connection: Connection) -> list[Table]:
    """Every table, those first that others refer to."""
    rows = await connection.fetch(
        """
        SELECT c.oid, n.nspname || '.' || c.relname AS name,
               (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '') AS columns,
               (SELECT array_agg(ARRAY[p.relname::text, pg_get_expr(p.relpartbound, p.oid)] ORDER BY p.relname)
                FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhrelid
                WHERE i.inhparent = c.oid AND pg_get_expr(p.relpartbound, p.oid) <> 'DEFAULT') AS partitions,
               (SELECT array_agg(DISTINCT f.confrelid) FROM pg_constraint f
                WHERE f.conrelid = c.oid AND f.contype = 'f' AND f.confrelid <> c.oid) AS refers_to
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        ORDER BY 2
        """,
        list(SCHEMAS),
    )
    return [
        Table(row["name"], tuple(row["columns"]), tuple(Partition(*one) for one in row["partitions"] or ()))
        for row in _in_order(rows)
    ]


def _in_order(rows: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
    placed: list[asyncpg.Record] = []
    known: set[int] = set()
    waiting = list(rows)
    while waiting:
        ready = [row for row in waiting if known.issuperset(row["refers_to"] or ())]
        if not ready:
            raise AssertionError(f"tables refer to each other in a circle: {[row['name'] for row in waiting]}")
        placed += ready
        known.update(row["oid"] for row in ready)
        waiting = [row for row in waiting if row["oid"] not in known]
    return placed


async def sequences(connection: Connection) -> list[SavedSequence]:
    """Every sequence of numbers, and where it stands. Sequences know no snapshot: theirs is at least the rows' own."""
    rows = await connection.fetch(
        """
        SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = ANY($1) AND c.relkind = 'S' ORDER BY 1
        """,
        list(SCHEMAS),
    )
    found = []
    for row in rows:
        at = await connection.fetchrow(f"SELECT last_value, is_called FROM {row['name']}")  # noqa: S608  the catalogue's
        assert at is not None  # noqa: S101  a sequence is always one row
        found.append(SavedSequence(row["name"], at["last_value"], at["is_called"]))
    return found


async def outbox_events(connection: Connection) -> set[str]:
    """The ids of events that are not published yet, or whose publication is not noted yet."""
    rows = await connection.fetch(
        """
        SELECT event_id FROM occupancy.outbox UNION ALL SELECT event_id FROM reservation.outbox
        UNION ALL SELECT event_id FROM downlink.outbox
        """
    )
    return {str(row["event_id"]) for row in rows}


async def copy_rows(connection: Connection, table: Table, write: Callable[[bytes], Coroutine[Any, Any, None]]) -> int:
    """Hand every row of a table to `write`, in COPY's text form; how many there were."""
    listed = ", ".join(f'"{column}"' for column in table.columns)
    query = f"SELECT {listed} FROM {table.name}"  # noqa: S608  names from the catalogue
    done: str = await connection.copy_from_query(query, output=write, format="text")
    return int(done.rpartition(" ")[2])


async def connected_services(connection: Connection) -> list[str]:
    """Which services have this database open now."""
    rows = await connection.fetch(
        """
        SELECT DISTINCT regexp_replace(application_name, '_request$', '') AS service FROM pg_stat_activity
        WHERE datname = current_database() AND regexp_replace(application_name, '_request$', '') = ANY($1) ORDER BY 1
        """,
        list(SERVICES),
    )
    return [row["service"] for row in rows]


async def used_schemas(connection: Connection) -> list[str]:
    """Those of our schemas that exist."""
    rows = await connection.fetch(
        "SELECT nspname::text AS name FROM pg_namespace WHERE nspname = ANY($1) OR nspname = 'parkstream' ORDER BY 1",
        list(SCHEMAS),
    )
    return [row["name"] for row in rows]


async def has_been_used(connection: Connection) -> bool:
    """Whether a migrated database knows a tenant, or holds frames that nobody could place."""
    used = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM gateway.tenants) OR EXISTS (SELECT FROM occupancy.orphan_frames)"
    )
    return bool(used)
