"""Everything of outgoing webhooks that runs by itself, in one process."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from nats.errors import Error as NatsError

from api_gateway.live.position import FOLLOWED
from api_gateway.settings import WebhookSettings
from api_gateway.webhooks.intake import SERVICE, Intake
from api_gateway.webhooks.receivers import Receivers
from api_gateway.webhooks.replays import Replays
from api_gateway.webhooks.sender import Sender
from api_gateway.webhooks.upkeep import Upkeep
from parking_chassis.postgres import Pool

if TYPE_CHECKING:
    from api_gateway.bus import Bus

LAG_COUNT = 10_000
PATIENCE_SECONDS = 4.0


class Outgoing:
    """Intake, sender, replays and clock; routes wake them."""

    def __init__(self, pool: Pool, bus: Bus, settings: WebhookSettings) -> None:
        self._pool = pool
        self._bus = bus
        self._settings = settings
        self._receivers = Receivers(settings)
        self._sender = Sender(pool, settings, self._receivers)
        self._upkeep = Upkeep(pool, settings)
        self._intake: Intake | None = None
        self._replays: Replays | None = None
        self._working: asyncio.Future[tuple[None, None]] | None = None

    def wake(self) -> None:
        """Something is due, or a replay was asked for."""
        self._sender.wake()
        if self._replays is not None:
            self._replays.wake()

    async def run(self) -> None:
        """Run until `finish`."""
        client = await self._bus.opened()
        self._intake = intake = Intake(self._pool, client, self._sender.wake)
        self._replays = Replays(
            self._pool, client, limit=self._settings.webhook_replay_count, on_written=self._sender.wake
        )
        self._working = working = asyncio.gather(intake.run(), self._sender.run())
        async with asyncio.TaskGroup() as group:
            beside = [group.create_task(self._replays.run()), group.create_task(self._upkeep.run())]
            await working
            for task in beside:
                task.cancel()
        await self._receivers.close()

    async def finish(self) -> None:
        """Take no more in, end what is under way in bounded time, leave the rest to the other replicas."""
        if self._intake is None or self._working is None:
            return
        self._intake.stop()
        self._sender.stop(PATIENCE_SECONDS)
        with contextlib.suppress(TimeoutError):  # what is not settled then is tried again when its lease ends
            async with asyncio.timeout(PATIENCE_SECONDS + 2):
                await asyncio.shield(self._working)

    async def check(self) -> str | None:
        """A warning of /health: events wait to become webhooks."""
        if await self._bus.check() is not None:
            return None  # said by the check of the bus itself
        try:
            jetstream = (await self._bus.opened()).jetstream()
            waiting = [(await jetstream.consumer_info(stream.name, SERVICE)).num_pending or 0 for stream in FOLLOWED]
        except (NatsError, TimeoutError) as error:
            return f"webhooks: the bus does not say how many events wait: {error!r}"
        return f"webhooks: {sum(waiting)} events wait to be taken in" if sum(waiting) > LAG_COUNT else None
