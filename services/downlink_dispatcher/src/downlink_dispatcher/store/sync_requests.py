"""Asking for a round of the network server, which replicas then take in turns.

In: a connection that acts for the platform's admin; nobody else sees the rounds.
"""

from __future__ import annotations

from datetime import timedelta

from downlink_dispatcher.store.network import SYNC_CHANNEL
from parking_chassis.postgres import Connection
from parking_contracts.downlink import SyncView


async def ask_for_sync(connection: Connection, pause: timedelta) -> SyncView | None:
    """Ask for a round unless one was asked for within `pause`; the latest one. None: not the caller's to see."""
    await connection.execute(
        """
        WITH asked AS (
            UPDATE downlink.sync_rounds SET requested_at = now() WHERE requested_at < now() - $1::interval
            RETURNING requested_at
        )
        SELECT pg_notify($2, '') FROM asked
        """,
        pause,
        SYNC_CHANNEL,
    )
    row = await connection.fetchrow(
        """
        SELECT nullif(requested_at, '-infinity') AS requested_at, nullif(began_at, '-infinity') AS began_at,
               nullif(ended_at, '-infinity') AS ended_at, error, devices, gateways
        FROM downlink.sync_rounds
        """
    )
    return SyncView(**row) if row is not None else None
