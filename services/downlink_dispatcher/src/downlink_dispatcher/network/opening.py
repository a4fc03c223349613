"""The ways to the network server as the settings name them, opened for as long as a block runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import msgspec

from downlink_dispatcher.network.chirpstack import ChirpStack
from downlink_dispatcher.network.grpc_transport import GrpcTransport
from downlink_dispatcher.network.mqtt_transport import MqttTransport
from downlink_dispatcher.network.transport import Item, NetworkAwayError, Transport
from downlink_dispatcher.settings import NetworkSettings
from downlink_dispatcher.store.network import PooledDirectory
from parking_chassis.postgres import Pool

UNSET_RETRY_SECONDS = 60.0
UNSET = "there is no network server to send to: set PARKSTREAM_CHIRPSTACK_URL"


class NoTransport:
    """What stands for a network server that is not there: everything waits. Worth a warning once somebody waits."""

    def __init__(self) -> None:
        self._was_needed = False

    async def enqueue(self, item: Item) -> str:
        """Raises NetworkAwayError."""
        self._was_needed = True
        raise NetworkAwayError(UNSET, UNSET_RETRY_SECONDS)

    async def find(self, item: Item) -> str | None:
        """Raises NetworkAwayError."""
        raise NetworkAwayError(UNSET, UNSET_RETRY_SECONDS)

    async def check(self) -> str | None:
        """That there is none, if one was needed."""
        return UNSET if self._was_needed else None


class Network(msgspec.Struct, frozen=True):
    """`transport` for downlinks; `chirpstack` for what is asked, None where no API is named."""

    transport: Transport
    chirpstack: ChirpStack | None

    async def check(self) -> str | None:
        """The health warning: what is wrong with either way."""
        problems = [await self.transport.check()]
        if self.chirpstack is not None:
            problems.append(self.chirpstack.availability.problem)
        return "; ".join(dict.fromkeys(problem for problem in problems if problem)) or None


@contextlib.asynccontextmanager
async def open_network(settings: NetworkSettings, pool: Pool) -> AsyncIterator[Network]:
    """Open what the settings name; a network server that is away delays nothing."""
    # gRPC's core would write plain lines of its own among our JSON logs.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    beside: list[Coroutine[Any, Any, None]] = []
    chirpstack = ChirpStack(settings) if settings.chirpstack_url else None
    transport: Transport = NoTransport()
    if chirpstack is not None:
        beside.append(chirpstack.watch())
        transport = GrpcTransport(chirpstack, PooledDirectory(pool))
    if settings.downlink_transport == "mqtt":
        transport = mqtt = MqttTransport(settings)
        beside.append(mqtt.run())
    tasks = [asyncio.create_task(one) for one in beside]
    try:
        yield Network(transport, chirpstack)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if chirpstack is not None:
            await chirpstack.close()
