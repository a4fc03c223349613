"""Migrations, streams and consumers: what the platform needs before its services start.

In: the files `migrations/NNNN_<what>.sql`, a database URL, a NATS URL. Out: a database and a JetStream at this
version. Safe to run any number of times and from many places at once: an advisory lock of PostgreSQL, which dies
with its connection, lets one through at a time (docs/decisions/0002-migrations.md).

The first line of each file names its owner (`-- owner: occupancy_engine`). A file runs in one transaction with a
lock time-out, so it takes effect as a whole or not at all and never blocks a live platform for long.
"""

import hashlib
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from pydantic import PostgresDsn

from parking_chassis.settings import DatabaseSettings
from parking_chassis.tls import remedy_of
from parkstream.errors import OperatorError

FILE_NAME = re.compile(r"(?P<number>\d{4})_[a-z0-9_]+\.sql")
OWNER_LINE = re.compile(r"-- owner: (?P<owner>[a-z_]+)\s*")
ADVISORY_LOCK_KEY = 0x7061726B  # "park"
LOCK_WAIT_SECONDS = 120  # for another `migrate` to finish
LOCK_TIMEOUT = "5s"  # for a table that a live service holds

HISTORY_TABLE = """
CREATE SCHEMA IF NOT EXISTS parkstream;
CREATE TABLE IF NOT EXISTS parkstream.migrations (
    name text PRIMARY KEY,
    owner text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    duration_ms double precision NOT NULL
);
"""


@dataclass(frozen=True)
class Migration:
    """One file: its name (`0001_schemas.sql`), the service that owns it, and its SQL."""

    name: str
    owner: str
    sql: str

    @property
    def sha256(self) -> str:
        """The digest of the text, the same with either kind of line end."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations_dir() -> Path:
    """PARKSTREAM_MIGRATIONS_DIR, else the nearest `migrations` folder above this file or the current directory."""
    if named := os.environ.get("PARKSTREAM_MIGRATIONS_DIR"):
        if not Path(named).is_dir():
            raise OperatorError(f"PARKSTREAM_MIGRATIONS_DIR={named} is not a directory.")
        return Path(named)
    for start in (Path(__file__).resolve().parent, Path.cwd()):
        for place in (start, *start.parents):
            candidate = place / "migrations"
            if any(candidate.glob("[0-9][0-9][0-9][0-9]_*.sql")) or (place / "requirements.lock").exists():
                return candidate
    raise OperatorError("The migrations were not found.", "Name their folder in PARKSTREAM_MIGRATIONS_DIR.")


def read_migrations(directory: Path) -> list[Migration]:
    """Every migration of `directory` in order; `OperatorError` for a file that breaks the rules of names and owners."""
    migrations: list[Migration] = []
    numbers: dict[str, str] = {}
    for path in sorted(directory.glob("*.sql")):
        match = FILE_NAME.fullmatch(path.name)
        if match is None:
            raise OperatorError(f"{path} is no migration's name.", "Call it NNNN_<what>.sql, lower-case.")
        if (other := numbers.setdefault(match["number"], path.name)) != path.name:
            raise OperatorError(f"{other} and {path.name} carry the same number.", "Renumber the newer one.")
        sql = path.read_text(encoding="utf-8")
        owner = OWNER_LINE.match(sql)
        if owner is None:
            raise OperatorError(f"{path} does not name its owner.", "Begin it with: -- owner: <service>")
        migrations.append(Migration(path.name, owner["owner"], sql))
    return migrations


async def migrate_database(database_url: str, directory: Path | None = None) -> list[str]:
    """Apply what is missing, exactly once however many start together; the names of what this call applied."""
    migrations = read_migrations(directory or migrations_dir())
    connection = await connect(database_url)
    try:
        await take_lock(connection)
        await connection.execute(HISTORY_TABLE)
        return await apply_rest(connection, migrations)
    finally:
        await connection.close()


async def connect(database_url: str) -> asyncpg.Connection:
    """A connection, or `OperatorError` that says why there is none (the password is never printed)."""
    # A statement whose client was killed ends within a second, and with it the lock.
    session = {"application_name": "parkstream-migrate", "client_connection_check_interval": "1s"}
    try:
        # Password and TLS files come from the environment, as the services have them.
        options = DatabaseSettings(database_url=PostgresDsn(database_url)).database_options()
        return await asyncpg.connect(**options, timeout=10, server_settings=session)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        place = database_url.rpartition("@")[2]
        raise OperatorError(
            f"The database at {place} cannot be reached: {error or type(error).__name__}",
            remedy_of(error, "PARKSTREAM_DATABASE_TLS") or "Check PARKSTREAM_DATABASE_URL and that the server runs.",
        ) from error


async def pending_migrations(connection: asyncpg.Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """What is still to be applied, after checking that files and history agree."""
    rows = await connection.fetch("SELECT name, sha256 FROM parkstream.migrations")
    applied: dict[str, str] = {row["name"]: row["sha256"] for row in rows}
    known = {migration.name: migration for migration in migrations}
    if unknown := sorted(applied.keys() - known.keys()):
        raise OperatorError(
            f"The database holds migrations that this version does not know: {', '.join(unknown)}.",
            "It was used by a newer version: run that one, or restore a backup.",
        )
    changed = [name for name, sha256 in applied.items() if known[name].sha256 != sha256]
    if changed:
        raise OperatorError(
            f"Applied migrations were changed afterwards: {', '.join(sorted(changed))}.",
            "Restore the files, and put the change into a new migration.",
        )
    pending = [migration for migration in migrations if migration.name not in applied]
    if pending and applied and pending[0].name < max(applied):
        raise OperatorError(
            f"{pending[0].name} comes before {max(applied)}, which is applied already.", "Give it the next free number."
        )
    return pending


async def apply_afresh(connection: asyncpg.Connection, migrations: Sequence[Migration]) -> None:
    """Apply these to a database that has none of them, in the caller's transaction if there is one."""
    await connection.execute(HISTORY_TABLE)
    for migration in migrations:
        await _apply(connection, migration)


async def apply_rest(connection: asyncpg.Connection, migrations: Sequence[Migration]) -> list[str]:
    """Apply those that the history lacks, in the caller's transaction if there is one; their names."""
    pending = await pending_migrations(connection, migrations)
    for migration in pending:
        await _apply(connection, migration)
    return [migration.name for migration in pending]


async def take_lock(connection: asyncpg.Connection) -> None:
    """Be the only one who migrates, or restores, until the connection ends."""
    await connection.execute(f"SET lock_timeout = '{LOCK_WAIT_SECONDS}s'")
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", ADVISORY_LOCK_KEY)
    except asyncpg.LockNotAvailableError as error:
        raise OperatorError(
            f"Another migration has been running for over {LOCK_WAIT_SECONDS} s.", "Wait for it, or end its session."
        ) from error


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    """Run one file and write it into the history, in one transaction."""
    began = time.perf_counter()
    await connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            if not connection.is_in_transaction():
                raise OperatorError(
                    f"{migration.name} ended its transaction itself.", "Remove COMMIT and ROLLBACK from the file."
                )
            await connection.execute(
                "INSERT INTO parkstream.migrations (name, owner, sha256, duration_ms) VALUES ($1, $2, $3, $4)",
                *(migration.name, migration.owner, migration.sha256, (time.perf_counter() - began) * 1000),
            )
    except asyncpg.PostgresError as error:
        raise OperatorError(f"{migration.name}{_line_of(error, migration.sql)} failed: {error}") from error


def _line_of(error: asyncpg.PostgresError, sql: str) -> str:
    position = getattr(error, "position", None)
    return f" line {sql.count(chr(10), 0, int(position)) + 1}" if position else ""
