"""The ingestor assembled: two receivers, the publishers, the ticks, and an end that loses nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from parking_chassis.nats_connection import nats_check
from parking_chassis.pull_consumer import PullConsumer
from parking_contracts.streams import INGRESS
from uplink_ingestor import ingress, metrics
from uplink_ingestor.ingest import Ingest
from uplink_ingestor.ingress import IngressReceiver
from uplink_ingestor.mqtt_receiver import MqttReceiver
from uplink_ingestor.publishers import Publishers
from uplink_ingestor.ticks import IngressDoor, TickSender, tick_for_ingress, tick_for_mqtt

if TYPE_CHECKING:
    from nats.aio.client import Client

    from parking_chassis.health import Health
    from parking_chassis.windowed_publisher import WindowedPublisher
    from uplink_ingestor.in_flight import InFlight
    from uplink_ingestor.settings import IngestorSettings

# What is confirmed within this time after the stop signal is still acknowledged; the rest is delivered again.
LAST_ANSWERS_SECONDS = 3.0


class Ingestor:
    """Everything that runs between a connected NATS and the stop signal."""

    def __init__(self, settings: IngestorSettings, nats: Client) -> None:
        self._nats = nats
        self._publishers = Publishers(nats)
        prefix = settings.mqtt_topic_prefix
        self._by_mqtt = Ingest(self._publishers, topic_prefix=prefix, marshaler=settings.marshaler)
        self._by_ingress = Ingest(self._publishers, topic_prefix=prefix)
        self._mqtt = MqttReceiver(settings, self._by_mqtt.take)
        consumer = PullConsumer(nats, INGRESS.name, ingress.CONSUMER, batch_size=ingress.BATCH)
        self._ingress = IngressReceiver(consumer, self._by_ingress)
        self._door = IngressDoor()
        self._source = settings.source
        for origin, ingest in (("mqtt", self._by_mqtt), ("ingress", self._by_ingress)):
            metrics.IN_FLIGHT.labels(origin).set_function(ingest.in_flight.__len__)
            metrics.OLDEST_IN_FLIGHT_SECONDS.labels(origin).set_function(partial(_seconds_waited, ingest.in_flight))
        for stream, publisher in self._publishers.by_stream.items():
            metrics.UNCONFIRMED.labels(stream).set_function(partial(getattr, publisher, "unconfirmed"))
            metrics.REFUSED.labels(stream).set_function(partial(_is_refusing, publisher))

    def add_checks(self, health: Health) -> None:
        """What must be well for this service to do its work."""
        health.add_check("nats", nats_check(self._nats))
        health.add_check("mqtt", self._mqtt.check)
        health.add_warning("jetstream", self._refusal)

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """Everything that runs side by side."""
        mqtt_ticks = TickSender(self._source, self._publishers.uplinks, self._by_mqtt.in_flight)
        ingress_ticks = TickSender(ingress.SOURCE, self._publishers.uplinks, self._by_ingress.in_flight)
        return [
            *self._publishers.work(),
            self._mqtt.run(),
            self._ingress.run(),
            tick_for_mqtt(self._mqtt, mqtt_ticks),
            self._door.listen(self._nats),
            tick_for_ingress(self._nats.jetstream(), self._door, ingress_ticks),
        ]

    async def settle(self) -> None:
        """Take nothing new and wait a little for what is on its way."""
        self._mqtt.stop_taking()
        self._ingress.stop_taking()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_ANSWERS_SECONDS):
                await self._by_mqtt.in_flight.all_arrived()
                await self._by_ingress.in_flight.all_arrived()
        # One turn of the loop for the acknowledgements themselves.
        await asyncio.sleep(0)

    def stats(self) -> dict[str, Any]:
        """Figures for /health."""
        return {
            "in_flight": {"mqtt": len(self._by_mqtt.in_flight), "ingress": len(self._by_ingress.in_flight)},
            "unconfirmed": self._publishers.unconfirmed(),
        }

    async def _refusal(self) -> str | None:
        return self._publishers.refusal()


def _seconds_waited(in_flight: InFlight) -> float:
    oldest = in_flight.oldest_received_at
    return 0.0 if oldest is None else max(0.0, (datetime.now(UTC) - oldest).total_seconds())


def _is_refusing(publisher: WindowedPublisher) -> bool:
    return publisher.refused is not None
