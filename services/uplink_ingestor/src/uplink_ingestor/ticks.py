"""Every five seconds, for each source that is alive: a Tick through UPLINKS, which silence is judged against.

A tick says "everything received up to `at` is stored before me". So it never goes beyond the oldest message that is not
confirmed yet, and none is sent for a source that cannot be heard: then nobody may be called silent. Over HTTP that is
the gateways' to say: while none of them takes events, INGRESS being empty means nothing.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from parking_chassis.windowed_publisher import Publication, WindowedPublisher
from parking_contracts import subjects
from parking_contracts.streams import INGRESS
from parking_contracts.uplink import Tick
from uplink_ingestor import ingress, metrics
from uplink_ingestor.in_flight import InFlight
from uplink_ingestor.mqtt_receiver import MqttReceiver

EVERY_SECONDS = 5.0
LOOK_AGAIN_SECONDS = 0.5
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Tick).decode
log = structlog.get_logger()


class TickSender:
    """One source's ticks; the next one waits until the last one is stored, so an outage piles up none."""

    def __init__(self, source: str, uplinks: WindowedPublisher, in_flight: InFlight) -> None:
        self._source = source
        self._uplinks = uplinks
        self._in_flight = in_flight
        self._last: datetime | None = None
        self._is_under_way = False
        self._sent_at = 0.0

    def send(self, heard_until: datetime) -> None:
        """Publish a tick, unless it would say nothing new."""
        at = min(heard_until, self._in_flight.oldest_received_at or heard_until)
        if self._is_under_way or (self._last is not None and at <= self._last):
            return
        self._is_under_way = True
        self._sent_at = time.monotonic()
        self._last = at
        tick = _encode(Tick(source=self._source, at=at))
        # Without an id: a tick that is stored twice says the same thing twice.
        self._uplinks.submit(Publication(subjects.TICK, tick, None, self._stored))
        metrics.TICKS.labels(self._source).inc()

    def _stored(self) -> None:
        metrics.STORED_SECONDS.observe(time.monotonic() - self._sent_at)
        self._is_under_way = False


async def tick_for_mqtt(receiver: MqttReceiver, sender: TickSender) -> None:
    """Tick while connected with the subscription granted."""
    while True:
        is_heard = receiver.problem is None
        if is_heard:
            sender.send(datetime.now(UTC))
        await asyncio.sleep(EVERY_SECONDS if is_heard else LOOK_AGAIN_SECONDS)


class IngressDoor:
    """Until when a gateway took events over HTTP, as the gateways say; None before the first word of one."""

    def __init__(self) -> None:
        self.open_until: datetime | None = None

    async def listen(self, nats: Client) -> None:
        """Hear the gateways from now on."""
        await nats.subscribe(subjects.INGRESS_OPEN, cb=self._on_word)

    async def _on_word(self, message: Msg) -> None:
        try:
            at = _decode(message.data).at
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.warning("ingress_word_unreadable")
            return
        self.open_until = at if self.open_until is None else max(at, self.open_until)


async def tick_for_ingress(jetstream: JetStreamContext, door: IngressDoor, sender: TickSender) -> None:
    """Tick up to the last moment at which nothing waited, once all that came until then is acknowledged."""
    mark: tuple[datetime, int] | None = None
    while True:
        try:
            now = datetime.now(UTC)
            info = await jetstream.consumer_info(INGRESS.name, ingress.CONSUMER, timeout=2)
        except (NatsError, TimeoutError):
            mark = None
        else:
            delivered = info.delivered.stream_seq if info.delivered else 0
            acknowledged = info.ack_floor.stream_seq if info.ack_floor else 0
            if not info.num_pending and (mark is None or acknowledged >= mark[1]):
                mark = (now, delivered)
            if mark is not None and acknowledged >= mark[1]:
                if door.open_until is not None:
                    sender.send(min(mark[0], door.open_until))
                mark = None
        await asyncio.sleep(EVERY_SECONDS)
