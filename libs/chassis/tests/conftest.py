"""What the chassis tests share: a client that reconnects, as those of the services do, and a pool of connections."""

from collections.abc import AsyncIterator

import pytest
from nats.aio.client import Client

from parking_chassis.nats_connection import connect_nats
from parking_chassis.postgres import Pool, open_pool
from parking_chassis.settings import DatabaseSettings, NatsSettings
from stack.servers import NatsAccount


@pytest.fixture
async def nats_reconnecting(nats_account: NatsAccount) -> AsyncIterator[Client]:
    """A client as the services open it, on an account with all streams."""
    client = await connect_nats(NatsSettings(nats_url=nats_account.url), name="chassis-test")
    yield client
    await client.close()


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await open_pool(DatabaseSettings(database_url=database), role="occupancy_engine")
    yield pool
    await pool.close()
