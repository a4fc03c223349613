"""The gateway's NATS connection, which may be away when the process starts and at any time later."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from api_gateway.http.problems import unavailable
from parking_chassis.bus_measures import MEASURE_SECONDS, BusMeasures
from parking_chassis.clock import every
from parking_chassis.nats_connection import connect_nats
from parking_contracts.streams import MEASURED_BY

if TYPE_CHECKING:
    from nats.aio.client import Client

    from parking_chassis.settings import NatsSettings


class Bus:
    """Connects in the background, so that the API answers (503 where it must) before NATS does."""

    def __init__(self, settings: NatsSettings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._opened = asyncio.Event()

    async def open(self) -> Client:
        """Connect, however long it takes; the client heals itself from then on."""
        self._client = await connect_nats(self._settings, name="api_gateway")
        self._opened.set()
        return self._client

    async def opened(self) -> Client:
        """Wait for the first connection."""
        await self._opened.wait()
        assert self._client is not None  # noqa: S101  set before the event
        return self._client

    def connected(self) -> Client:
        """The client, if the server can be reached now; what is sent is then sent now and not after an outage.

        Raises:
            ProblemError: DEPENDENCY_UNAVAILABLE.
        """
        if self._client is None or not self._client.is_connected:
            raise unavailable("NATS")
        return self._client

    async def measure(self, stop: asyncio.Event) -> None:
        """Keep the figures of the streams that the gateway writes, follows or shows, until the service stops."""
        await every(MEASURE_SECONDS, stop, BusMeasures(await self.opened(), MEASURED_BY["api_gateway"]).measure_bus)

    async def check(self) -> str | None:
        """A health check."""
        return None if self._client is not None and self._client.is_connected else "nats: not connected"

    async def close(self) -> None:
        """Close for good."""
        if self._client is not None:
            await self._client.close()
