"""A database that ends a connection, as a restart does: whatever asyncpg makes of it, the database is away."""

import asyncio

import asyncpg

from parking_chassis.isolation import failure_of
from parking_chassis.postgres import DATABASE_AWAY

MOMENTS = 60


async def test_a_connection_that_the_server_ended_means_that_the_database_is_away(database: str):
    admin = await asyncpg.connect(database)
    for moment in range(MOMENTS):
        connection = await asyncpg.connect(database)
        await admin.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
        # The server's last words have come, or its end of the connection too: asyncpg says something else each time.
        for _ in range(moment):
            await asyncio.sleep(0)
        failure = await failure_of(connection.fetchval("SELECT $1::int", 1))
        assert isinstance(failure, DATABASE_AWAY), f"after {moment} rounds of the loop: {failure!r}"
        connection.terminate()
    await admin.close()
