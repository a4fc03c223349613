"""What one replica does for all: whose turn it is, held by a connection as an advisory lock.

A connection that ends, with its process or without, gives its turn away. So does one that says nothing for too long: a
process that is frozen, or whose host is gone, does not end its connection.
"""

from __future__ import annotations

from parking_chassis.postgres import Connection

SILENT_SECONDS = 10.0


async def take_turn(connection: Connection, of: str, *, silent_seconds: float = SILENT_SECONDS) -> bool:
    """Whether no other replica has this turn: then it is this connection's until `end_turn`.

    `silent_seconds` is longer than whoever has the turn is ever silent on its connection.
    """
    taken: bool = await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", of)
    if taken:
        limit = f"{round(silent_seconds * 1000)}ms"
        await connection.execute("SELECT set_config('idle_session_timeout', $1, false)", limit)
    return taken


async def end_turn(connection: Connection, of: str) -> None:
    """Let the other replicas have it."""
    await connection.execute(
        "SELECT pg_advisory_unlock(hashtextextended($1, 0)), set_config('idle_session_timeout', '0', false)", of
    )
