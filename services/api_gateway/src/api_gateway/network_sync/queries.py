"""The SQL behind the status of asking the network server, which row-level security shows to the platform's admin."""

from __future__ import annotations

import asyncpg

from parking_chassis.postgres import Connection


async def get_sync(connection: Connection) -> asyncpg.Record | None:
    """The latest round."""
    return await connection.fetchrow(
        """
        SELECT nullif(requested_at, '-infinity') AS requested_at, nullif(began_at, '-infinity') AS began_at,
               nullif(ended_at, '-infinity') AS ended_at, error, devices, gateways
        FROM downlink.sync_status
        """
    )
