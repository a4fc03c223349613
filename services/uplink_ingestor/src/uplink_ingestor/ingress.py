"""The INGRESS side: events that came over HTTP, and dead letters on their way back, taken like MQTT messages.

The gateway stores each body untouched under `ingress.<event>`, with the headers of `parking_contracts.ingress`. An
event that came over HTTP has no topic: the subject names the event, the body its device, and a header the application
that its sender may speak for. JetStream gets its acknowledgement once what the body became is durable.
"""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

import structlog

from parking_chassis.pull_consumer import Delivery, PullConsumer
from parking_contracts import ingress as headers
from parking_contracts.streams import INGRESS
from uplink_ingestor.ingest import Arrival, Ingest, Marshaler

log = structlog.get_logger()

SOURCE = "ingress"
CONSUMER = INGRESS.consumers[0].name
BATCH = 200
UNDER_WAY_AT_MOST = 2_000
_SOURCE = re.compile(rb"[A-Za-z0-9_.-]{1,100}")
_MARSHALERS: dict[bytes, Marshaler] = {b"json": "json", b"protobuf": "protobuf"}


class IngressReceipt:
    """Acknowledges one stored message; its redeliveries are equal to it."""

    __slots__ = ("_done", "delivery", "sequence")

    def __init__(self, delivery: Delivery, done: asyncio.Queue[Delivery]) -> None:
        self.delivery = delivery
        self.sequence = delivery.stream_sequence
        self._done = done

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IngressReceipt) and other.sequence == self.sequence

    def __hash__(self) -> int:
        return hash(self.sequence)

    @property
    def is_open(self) -> bool:
        """JetStream takes the acknowledgement of any delivery, at any time."""
        return True

    def acknowledge(self) -> None:
        """Hand it to the task that writes acknowledgements."""
        self._done.put_nowait(self.delivery)


class IngressReceiver:
    """Pulls INGRESS for ever, a bounded number of messages ahead of what is durable."""

    def __init__(self, consumer: PullConsumer, ingest: Ingest) -> None:
        self._consumer = consumer
        self._ingest = ingest
        # Bounded by what is under way, which `_take` bounds.
        self._done: asyncio.Queue[Delivery] = asyncio.Queue()
        self._room = asyncio.Event()
        self._is_taking = True

    async def run(self) -> None:
        """Take and acknowledge until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._take())
            group.create_task(self._acknowledge())

    def stop_taking(self) -> None:
        """Take nothing new: JetStream delivers it to the next ingestor, or to this one once it is back."""
        self._is_taking = False

    async def _take(self) -> None:
        while True:
            deliveries = await self._consumer.next_batch()
            for delivery in deliveries if self._is_taking else ():
                self._ingest.take(arrival_of(delivery, IngressReceipt(delivery, self._done)))
            while len(self._ingest.in_flight) >= UNDER_WAY_AT_MOST:
                self._room.clear()
                await self._room.wait()

    async def _acknowledge(self) -> None:
        while True:
            durable = [await self._done.get()]
            while not self._done.empty():
                durable.append(self._done.get_nowait())
            await self._consumer.ack(durable)
            self._room.set()


def arrival_of(delivery: Delivery, receipt: IngressReceipt) -> Arrival:
    """Read the headers; what is missing or unusable there is replaced, because the body is what must not be lost.

    A body with a topic came by MQTT once, and is a dead letter's replay: should it fail again, its new letter names the
    topic too, and can be replayed in turn.
    """
    source = _header(delivery, headers.SOURCE)
    topic = _header(delivery, headers.TOPIC)
    replay = _header(delivery, headers.REPLAY)
    return Arrival(
        source=source.decode() if _SOURCE.fullmatch(source) else SOURCE,
        topic=(topic or delivery.subject.rpartition(b".")[2]).decode(errors="replace"),
        body=delivery.payload,
        received_at=_received_at(delivery),
        receipt=receipt,
        origin="mqtt" if topic else "jetstream",
        replay=int(replay) if replay.isdigit() and len(replay) < 10 else None,
        marshaler=_MARSHALERS.get(_header(delivery, headers.ENCODING)),
        application_id=_header(delivery, headers.APPLICATION).decode(errors="replace") or None,
    )


def _header(delivery: Delivery, name: str) -> bytes:
    return delivery.header(name.encode()) or b""


def _received_at(delivery: Delivery) -> datetime:
    stamp = _header(delivery, headers.RECEIVED_AT).decode(errors="replace")
    try:
        received_at = datetime.fromisoformat(stamp)
    except ValueError:
        return datetime.now(UTC)
    return received_at if received_at.tzinfo is not None else received_at.replace(tzinfo=UTC)
