"""Every metric of this service. No label names a device: a city's worth of series helps nobody."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from parking_contracts.subjects import EVENTS

_received = Counter(
    "parkstream_ingestor_events_total", "Events understood and handed to JetStream, repeats excluded", ["event"]
)
RECEIVED = {event: _received.labels(event) for event in EVENTS}
REPEATS = Counter("parkstream_ingestor_repeats_total", "Deliveries of a message that was stored or on its way already")
NOT_FOR_US = Counter("parkstream_ingestor_not_for_us_total", "Events of ChirpStack that the platform has no use for")
POISON = Counter("parkstream_ingestor_dead_letters_total", "Messages set aside in the dead letters", ["code"])
IN_FLIGHT = Gauge("parkstream_ingestor_in_flight", "Messages received and not yet confirmed by JetStream", ["origin"])
OLDEST_IN_FLIGHT_SECONDS = Gauge(
    "parkstream_ingestor_oldest_in_flight_seconds", "How long the oldest of them has waited", ["origin"]
)
UNCONFIRMED = Gauge("parkstream_ingestor_unconfirmed", "Messages handed to JetStream and not confirmed", ["stream"])
REFUSED = Gauge("parkstream_ingestor_refused", "1 while a stream refuses what it is given", ["stream"])
MQTT_CONNECTED = Gauge("parkstream_ingestor_mqtt_connected", "1 while connected with the subscription granted")
MQTT_CONNECTS = Counter("parkstream_ingestor_mqtt_connects_total", "Connections to the MQTT broker that were accepted")
MQTT_FAILURES = Counter("parkstream_ingestor_mqtt_failures_total", "Connections refused or lost")
STORED_SECONDS = Histogram(
    "parkstream_ingestor_stored_seconds",
    "From a tick's turn to JetStream's confirmation, on the way that uplinks take: one probe per source and 5 s",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
)
TICKS = Counter("parkstream_ingestor_ticks_total", "Ticks published", ["source"])
