"""The commands and the stream of spaces, by FastStream: one broker, its ack policy stated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from nats.aio.client import Client

from parking_chassis.command_desk import raw_body
from parking_chassis.postgres import Pool
from parking_chassis.subscriber import Settler
from parking_contracts.streams import SPACES
from reservation_service import SERVICE
from reservation_service.clock import Clock
from reservation_service.commands.desk import open_desk
from reservation_service.domain.reservation import Rules
from reservation_service.settings import Settings
from reservation_service.space_events import read_space_event, take_space_event

FETCH_SECONDS = 5.0
# Side by side: what is owed to a space is read in the directory, so the order of its events does not matter.
AT_ONCE = 4


async def open_broker(settings: Settings, nats: Client, pool: Pool, rules: Rules, clock: Clock) -> NatsBroker:
    """Subscribe and start; the durable exists already."""
    broker = NatsBroker(settings.nats_url, max_reconnect_attempts=-1, reconnect_time_wait=1, logger=None)
    settler = Settler(SERVICE, nats.jetstream())
    open_desk(broker, pool, rules, clock)

    @broker.subscriber(
        SPACES.subjects[0],
        durable=SERVICE,
        stream=JStream(SPACES.name, declare=False),
        pull_sub=PullSub(batch_size=AT_ONCE, timeout=FETCH_SECONDS),
        ack_policy=AckPolicy.MANUAL,
        decoder=raw_body,
    )
    async def on_space_event(_body: bytes, message: NatsMessage) -> None:
        async def handle(data: bytes) -> None:
            event = read_space_event(message.raw_message.subject, data)
            if event is not None:
                await take_space_event(pool, event, rules)

        await settler.settle(message, handle)

    await broker.start()
    return broker


def broker_check(broker: NatsBroker) -> Callable[[], Awaitable[str | None]]:
    """A health check of the broker's own connection, which carries commands and events."""

    async def check() -> str | None:
        return None if await broker.ping(timeout=1) else "commands and space events: not connected, trying again"

    return check
