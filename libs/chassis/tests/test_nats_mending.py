"""A NATS client whose reading or reconnecting has ended by an error comes back by itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from parking_chassis.nats_connection import connect_nats
from parking_chassis.settings import NatsSettings
from parking_contracts.permissions import OPERATOR
from parkstream.embedded.nats import NatsServer
from stack.waiting import eventually


@pytest.fixture
async def client(private_nats: NatsServer) -> AsyncIterator[Client]:
    connected = await connect_nats(NatsSettings(nats_url=private_nats.login().url), name=OPERATOR)
    yield connected
    await connected.close()


async def hears(client: Client) -> bool:
    """Whether an answer comes back."""
    with contextlib.suppress(NatsError):
        return bool((await client.request("$JS.API.INFO", b"", timeout=0.5)).data)
    return False


async def test_a_reader_that_an_error_ended_is_replaced(client: Client):
    reader = client._reading_task
    late = asyncio.get_running_loop().create_future()
    late.cancel()  # a flush whose time is over
    await client._send_ping(late)
    await eventually(reader.done)
    assert client.is_connected
    await eventually(lambda: hears(client), 10)


async def test_reconnecting_that_has_ended_is_begun_anew(client: Client, private_nats: NatsServer):
    private_nats.kill()
    await eventually(lambda: client.is_reconnecting)
    client._reconnection_task.cancel()
    private_nats.start()
    await eventually(lambda: hears(client), 10)
