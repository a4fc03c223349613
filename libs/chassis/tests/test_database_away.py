"""A database that ends a connection, as a restart does: whatever asyncpg makes of it, the database is away.

And the other way round: a database that notices when one of us is.
"""

import asyncio

import asyncpg

from parking_chassis.isolation import failure_of
from parking_chassis.postgres import DATABASE_AWAY, NOTICE_THE_VANISHED, open_pool
from parking_chassis.settings import DatabaseSettings

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


async def test_the_server_looks_within_seconds_whether_a_quiet_client_is_still_there(database: str):
    """Its sessions, and the locks they hold, end with a machine that vanished."""
    settings = DatabaseSettings(nats_url="nats://nowhere", health_port=1, database_url=database)
    pool = await open_pool(settings, role="occupancy_engine")
    async with pool.acquire() as connection:
        told = {
            name: await connection.fetchval("SELECT setting FROM pg_settings WHERE name = $1", name)
            for name in NOTICE_THE_VANISHED
        }
    await pool.close()
    assert told == NOTICE_THE_VANISHED
