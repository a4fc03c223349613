"""PostgreSQL as a service sees it: a pool in the service's own role, every wait bounded, and what "away" means."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import msgspec

from parking_chassis.pool_metrics import watch_pool
from parking_chassis.process import when_giving_up
from parking_chassis.tls import remedy_of

if TYPE_CHECKING:
    from parking_chassis.settings import DatabaseSettings

# asyncpg's classes are generic in its stubs alone.
if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy
    Pool = asyncpg.Pool

# What an outage looks like from here. These never blame the message at hand: the work waits and is tried again.
DATABASE_AWAY: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    # What asyncpg says between the server's last words and the end of the connection.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.DiskFullError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.SerializationError,
)

# A machine that vanishes says no goodbye: without these the server keeps its sessions, and with them the locks by which
# replicas take turns, for two hours. Seconds and probes; the last one in milliseconds, for what it was sent.
NOTICE_THE_VANISHED = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "25000",
}


async def open_pool(settings: DatabaseSettings, *, role: str, name: str | None = None, **server_settings: str) -> Pool:
    """A pool whose connections act as `role`. Opens none yet, so a database that is away delays no start.

    Metrics call it `name`, or else as its role. `server_settings` are of PostgreSQL, beside those that every service
    has.
    """
    pool = asyncpg.create_pool(
        **settings.database_options(),
        min_size=0,
        max_size=settings.database_pool_size,
        timeout=settings.database_acquire_seconds,
        command_timeout=settings.database_statement_seconds,
        init=_use_json,
        reset=_leave_as_it_is,
        server_settings={
            "role": role,
            "application_name": role,
            "statement_timeout": str(int(settings.database_statement_seconds * 1000)),
            "lock_timeout": str(int(settings.database_lock_seconds * 1000)),
            "idle_in_transaction_session_timeout": "60000",
            **NOTICE_THE_VANISHED,
            "jit": "off",
            **server_settings,
        },
    )
    await pool
    watch_pool(name or role, pool)
    when_giving_up(pool.terminate)
    return pool


@contextlib.asynccontextmanager
async def listening(connection: Connection, channel: str, on_notify: Callable[..., None]) -> AsyncIterator[None]:
    """Call `on_notify` for every NOTIFY of a channel while the block runs; then the connection is as it was."""
    await connection.add_listener(channel, on_notify)
    try:
        yield
    finally:
        with contextlib.suppress(*DATABASE_AWAY):
            await connection.remove_listener(channel, on_notify)
            await connection.reset()


async def act_for(
    connection: Connection, tenant_id: UUID, *, platform_admin: bool = False, role: str | None = None
) -> None:
    """Let the rest of this transaction see one tenant, as row-level security reads it; in `role` where one is given."""
    await connection.execute(
        """
        SELECT set_config('app.tenant_id', $1, true), set_config('app.platform_admin', $2, true),
               set_config('role', coalesce($3, current_setting('role')), true)
        """,
        str(tenant_id),
        "on" if platform_admin else "",
        role,
    )


async def _leave_as_it_is(_connection: Connection) -> None:
    """Spare a round trip per transaction: settings are local to transactions here, and who locks or listens resets."""


async def _use_json(connection: Connection) -> None:
    # In binary form, so that COPY can carry it too: a version byte, then the JSON text.
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encode_jsonb, decoder=_decode_jsonb, format="binary"
    )


def _encode_jsonb(value: Any) -> bytes:
    """Values are encoded; bytes and Raw are JSON already."""
    if type(value) is bytes:
        return b"\x01" + value
    return b"\x01" + msgspec.json.encode(value)  # a Raw as it is


def _decode_jsonb(data: bytes) -> Any:
    return msgspec.json.decode(memoryview(data)[1:])


async def database_check(pool: Pool) -> str | None:
    """A health check: what is wrong with the database, or None."""
    try:
        async with pool.acquire(timeout=2) as connection:
            await connection.fetchval("SELECT 1", timeout=2)
    except DATABASE_AWAY as error:
        remedy = remedy_of(error, "PARKSTREAM_DATABASE_TLS")
        return f"database: {type(error).__name__}: {error}".rstrip(": ") + (f"; {remedy}" if remedy else "")
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        return f"database: {error}; correct PARKSTREAM_DATABASE_URL, PARKSTREAM_DATABASE_PASSWORD or its _FILE"
    except asyncpg.PostgresError as error:
        return f"database: {error}; is it migrated (`parkstream migrate`)?"
    return None
