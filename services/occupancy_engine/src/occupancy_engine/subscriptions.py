"""The quiet stream and the commands, by FastStream: one broker, every subscriber with its ack policy stated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage, PullSub
from nats.aio.client import Client

from occupancy_engine import SERVICE
from occupancy_engine.commands.desk import open_desk
from occupancy_engine.decoders import Decoders
from occupancy_engine.reservations import read_reservation, take_reservation
from occupancy_engine.settings import EngineSettings
from parking_chassis.command_desk import command_broker, raw_body, start_heard
from parking_chassis.postgres import Pool
from parking_chassis.subscriber import Settler
from parking_contracts import subjects
from parking_contracts.streams import RESERVATIONS, Stream

FETCH_SECONDS = 5.0
Handler = Callable[[bytes, NatsMessage], Awaitable[None]]


async def open_broker(
    settings: EngineSettings, nats: Client, *, pool: Pool, commands: Pool, decoders: Decoders
) -> NatsBroker:
    """Subscribe and start; the durables exist already. Commands have a pool of their own: large imports that wait for
    each other must not keep uplinks waiting for a connection.
    """
    broker = command_broker(settings, SERVICE)
    settler = Settler(SERVICE, nats.jetstream())
    open_desk(broker, commands, decoders)

    @_subscriber(broker, RESERVATIONS)
    async def on_reservation(_body: bytes, message: NatsMessage) -> None:
        async def handle(data: bytes) -> None:
            event = read_reservation(message.raw_message.subject, data)
            if event is not None:
                await take_reservation(pool, event)

        await settler.settle(message, handle)

    await start_heard(broker)
    return broker


def _subscriber(broker: NatsBroker, stream: Stream) -> Callable[[Handler], object]:
    """One message at a time, in order, from the service's own durable; the settler acknowledges."""
    return broker.subscriber(
        stream.subjects[0],
        durable=SERVICE,
        stream=JStream(stream.name, declare=False),
        pull_sub=PullSub(batch_size=1, timeout=FETCH_SECONDS),
        ack_policy=AckPolicy.MANUAL,
        decoder=raw_body,
        inbox_prefix=f"{subjects.inbox(SERVICE)}.".encode(),  # the only one where the service may listen
    )
