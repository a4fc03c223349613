"""Rounds that one replica makes for all: whose turn it is, held by a connection as an advisory lock.

A connection that ends, with its process or without, gives its turn away.
"""

from __future__ import annotations

from parking_chassis.postgres import Connection

SWEEP = "downlink.sweep"
SYNC = "downlink.sync"


async def take_turn(connection: Connection, of: str) -> bool:
    """Whether no other replica has this turn: then it is this connection's until `end_turn`."""
    taken: bool = await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", of)
    return taken


async def end_turn(connection: Connection, of: str) -> None:
    """Let the other replicas have it."""
    await connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 0))", of)
