"""The clock that all replicas share: the database's."""

from __future__ import annotations

from datetime import datetime

from parking_chassis.postgres import Connection


async def clock(connection: Connection) -> datetime:
    """When this transaction began, by which everything in it is written."""
    now: datetime = await connection.fetchval("SELECT now()")
    return now
