"""The dispatcher's ways to a ChirpStack, as tests open them: short deadlines, a key, a directory of a test's own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from downlink_dispatcher.network.chirpstack import ChirpStack
from downlink_dispatcher.network.grpc_transport import GrpcTransport
from downlink_dispatcher.network.transport import Item
from downlink_dispatcher.settings import NetworkSettings
from parking_simulator.chirpstack import ChirpStackDouble
from stack.chirpstack import APPLICATION_ID


class Synced(dict[str, str]):
    """What the last sync found: applications by DevEUI, in memory."""

    async def application_of(self, dev_eui: str) -> str | None:
        return self.get(dev_eui)


def network_settings(url: str = "", **changes: Any) -> NetworkSettings:
    given = {"health_port": 1, "chirpstack_url": url, "chirpstack_deadline_seconds": 2.0, **changes}
    return NetworkSettings(**given)


@contextlib.asynccontextmanager
async def connected(settings: NetworkSettings) -> AsyncIterator[ChirpStack]:
    """A client of ChirpStack that watches whether it is there."""
    chirpstack = ChirpStack(settings)
    watching = asyncio.create_task(chirpstack.watch())
    try:
        yield chirpstack
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await chirpstack.close()


@contextlib.asynccontextmanager
async def transport_to(
    double: ChirpStackDouble, synced: Synced | None = None, **changes: Any
) -> AsyncIterator[GrpcTransport]:
    """A transport to a double, with its key unless `changes` give another."""
    given = {"chirpstack_token": double.token, **changes}
    async with connected(network_settings(double.url, **given)) as chirpstack:
        yield GrpcTransport(chirpstack, Synced() if synced is None else synced)


def item_for(dev_eui: str, **changes: Any) -> Item:
    """A green light for a device of the double's application."""
    given = {
        "downlink_id": uuid4(),
        "dev_eui": dev_eui,
        "application_id": APPLICATION_ID,
        "f_port": 15,
        "payload": bytes.fromhex("0000ffff00"),
        "confirmed": False,
        "expires_at": datetime.now(UTC) + timedelta(hours=1),
        **changes,
    }
    return Item(**given)
