"""Every metric that a service has by living in the chassis. `docs/metrics.md` says what a bad value means.

What is asked of others (JetStream, PostgreSQL) is asked by a clock, never by a scrape, so that nobody who scrapes
often or twice makes work. No label names a tenant, a device or a client.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

# Prometheus takes when each series began for a series of its own: a third more of them, and nobody asks.
disable_created_metrics()  # type: ignore[no-untyped-call]  # the client library gives it none

NATS_CONNECTED = Gauge("parkstream_nats_connected", "1 while connected to NATS")
CHECK_OK = Gauge(
    "parkstream_check_ok",
    "1 while a check of /health is well; needed=yes: without it /ready is 503",
    ["check", "needed"],
)
CERTIFICATE_EXPIRES = Gauge(
    "parkstream_certificate_expires_timestamp_seconds", "When a certificate that a setting names runs out", ["setting"]
)

# What is done by time alone
CLOCK_FAILURES = Counter("parkstream_clock_failures_total", "Rounds of a clock that failed unexpectedly", ["clock"])
CLOCK_ENDED = Gauge(
    "parkstream_clock_ended_timestamp_seconds",
    "When the last good round of a clock ended, or it began to run",
    ["clock"],
)
CLOCK_PERIOD = Gauge("parkstream_clock_period_seconds", "The pause behind the last round of a clock", ["clock"])
CLOCK_SECONDS = Histogram(
    "parkstream_clock_round_seconds",
    "How long a round of a clock took",
    ["clock"],
    buckets=(0.005, 0.025, 0.1, 0.5, 2.5, 10, 60),
)

# What the bus holds
STREAM_BYTES = Gauge("parkstream_stream_bytes", "What a stream holds", ["stream"])
STREAM_LIMIT_BYTES = Gauge("parkstream_stream_limit_bytes", "What a stream may hold; 0 is no limit", ["stream"])
STREAM_MESSAGES = Gauge("parkstream_stream_messages", "Messages that a stream holds", ["stream"])
STREAM_LAST_SEQUENCE = Gauge(
    "parkstream_stream_last_sequence",
    "The number of a stream's newest message: its growth is what was stored",
    ["stream"],
)
CONSUMER_PENDING = Gauge(
    "parkstream_consumer_pending", "Messages that a durable consumer has not been given yet", ["stream", "consumer"]
)
CONSUMER_ACK_PENDING = Gauge(
    "parkstream_consumer_ack_pending",
    "Messages that a durable consumer was given and has not acknowledged",
    ["stream", "consumer"],
)
CONSUMER_REDELIVERED = Gauge(
    "parkstream_consumer_redelivered", "Those among them that were given more than once", ["stream", "consumer"]
)
DEAD_LETTERS = Gauge("parkstream_dead_letters", "Dead letters kept, by who set them aside and why", ["service", "code"])
JETSTREAM_SECONDS = Histogram(
    "parkstream_jetstream_answer_seconds",
    "How long JetStream takes to say what a stream holds",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5),
)

# The outbox
OUTBOX_EVENTS = Gauge(
    "parkstream_outbox_events", "Committed events that are not published yet, up to 10,000", ["schema"]
)
OUTBOX_OLDEST_SECONDS = Gauge(
    "parkstream_outbox_oldest_seconds", "How long the oldest of them has waited; 0 when there is none", ["schema"]
)
OUTBOX_RELAYING = Gauge("parkstream_outbox_relaying", "1 in the replica that publishes the outbox", ["schema"])
