"""Everything that a replica does, put together: what it follows, what it does by the clock, what it sends."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from downlink_dispatcher import SCHEMA, SERVICE, metrics
from downlink_dispatcher.device_events import DeviceEvents
from downlink_dispatcher.domain import truth
from downlink_dispatcher.network.opening import Network
from downlink_dispatcher.sending import Sender
from downlink_dispatcher.settings import Settings
from downlink_dispatcher.space_events import SpaceEvents
from downlink_dispatcher.store.backlog import count_backlog
from downlink_dispatcher.sweeping import KEEP_HOUSE_SECONDS, Sweep
from downlink_dispatcher.sync import Sync
from downlink_dispatcher.wishing import Wishing
from parking_chassis.batch_subscriber import BatchSubscriber
from parking_chassis.bus_measures import MEASURE_SECONDS, BusMeasures
from parking_chassis.clock import every
from parking_chassis.health import Check
from parking_chassis.outbox import OutboxRelay
from parking_chassis.outbox_measures import OutboxMeasures
from parking_chassis.postgres import Pool
from parking_contracts.streams import DEVICES, MEASURED_BY, SPACES

if TYPE_CHECKING:
    from nats.aio.client import Client

BACKLOG_SECONDS = 5.0
# Batches begin at least so far apart: one of ten costs little more than one of one. What a change waits for is short;
# nobody waits for the record of what was on air.
SPACES_LINGER_SECONDS = 0.01
DEVICES_LINGER_SECONDS = 0.25


class Work:
    """One replica's share."""

    def __init__(
        self, settings: Settings, pool: Pool, sending: Pool, nats: Client, wishing: Wishing, network: Network
    ) -> None:
        rules = truth.Rules(settings.display_mend_attempts, timedelta(seconds=settings.display_mend_seconds))
        self._pool = pool
        self._nats = nats
        self._spaces = BatchSubscriber(
            SERVICE, nats, SPACES, SpaceEvents(pool, wishing).take, linger_seconds=SPACES_LINGER_SECONDS
        )
        self._devices = BatchSubscriber(
            SERVICE,
            nats,
            DEVICES,
            DeviceEvents(pool, wishing.registry, rules).take,
            linger_seconds=DEVICES_LINGER_SECONDS,
        )
        self._sweep = Sweep(pool, wishing, rules, settings)
        self._sweep_seconds = settings.display_sweep_seconds
        self._sender = Sender(sending, network.transport, settings.sending_rules(), at_once=settings.downlinks_at_once)
        self._sync = Sync(pool, network.chirpstack, settings) if network.chirpstack is not None else None

    def warnings(self) -> Iterator[tuple[str, Check]]:
        """Health warnings, by name."""
        if self._sync is not None:
            yield "sync", self._sync.check

    def beside(self, stop: asyncio.Event, relay: OutboxRelay) -> Iterator[Coroutine[Any, Any, None]]:
        """What may end at any moment."""
        yield every(MEASURE_SECONDS, stop, BusMeasures(self._nats, MEASURED_BY[SERVICE]).measure_bus)
        yield every(MEASURE_SECONDS, stop, OutboxMeasures(self._pool, relay, schema=SCHEMA).measure_outbox)
        yield every(BACKLOG_SECONDS, stop, self._count_backlog, name="count_backlog")
        yield every(self._sweep_seconds, stop, self._sweep.sweep)
        yield every(KEEP_HOUSE_SECONDS, stop, self._sweep.keep_house)
        if self._sync is not None:
            yield self._sync.run()

    async def run(self, stop: asyncio.Event) -> None:
        """Follow and send until `stop`; what is in hand is finished."""
        await asyncio.gather(self._spaces.run(stop), self._devices.run(stop), self._sender.run(stop))

    async def _count_backlog(self) -> None:
        async with self._pool.acquire() as connection:
            backlog = await count_backlog(connection)
        for status, count in backlog.commands.items():
            metrics.QUEUE.labels(status).set(count)
        metrics.DISPLAYS_DUE.set(backlog.displays_due)
        for state, count in backlog.gateways.items():
            metrics.GATEWAYS.labels(state).set(count)
