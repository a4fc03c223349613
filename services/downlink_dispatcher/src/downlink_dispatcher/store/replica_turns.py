"""Rounds that one replica makes for all: whose turn it is, held by a connection as an advisory lock.

A connection that ends, with its process or without, gives its turn away. So does one that says nothing for too long: a
process that is stopped, or whose host is gone, does not end its connection.
"""

from __future__ import annotations

from parking_chassis.postgres import Connection

SWEEP = "downlink.sweep"
SYNC = "downlink.sync"
# Longer than whoever has the turn is ever silent. The connection that asks for a sync waits for the network server.
SILENT_SECONDS = {SWEEP: 60, SYNC: 900}


async def take_turn(connection: Connection, of: str, silent_seconds: float | None = None) -> bool:
    """Whether no other replica has this turn: then it is this connection's until `end_turn`."""
    taken: bool = await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", of)
    if taken:
        seconds = silent_seconds or SILENT_SECONDS[of]
        await connection.execute("SELECT set_config('idle_session_timeout', $1, false)", f"{round(seconds * 1000)}ms")
    return taken


async def end_turn(connection: Connection, of: str) -> None:
    """Let the other replicas have it."""
    await connection.execute(
        "SELECT pg_advisory_unlock(hashtextextended($1, 0)), set_config('idle_session_timeout', '0', false)", of
    )
