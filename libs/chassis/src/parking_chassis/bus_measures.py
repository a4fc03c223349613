"""What the bus holds, asked of JetStream by a clock: how full streams are, and how far behind their consumers.

A service measures the streams that it writes or reads, with all their durable consumers: so a stream is still seen
while one of its services is down. While JetStream does not answer there are no figures, rather than old ones.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from parking_chassis import metrics
from parking_contracts import subjects
from parking_contracts.streams import DEAD_LETTERS, Stream

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

MEASURE_SECONDS = 10.0
ANSWER_SECONDS = 3.0
_OF_STREAMS = (
    metrics.STREAM_BYTES,
    metrics.STREAM_LIMIT_BYTES,
    metrics.STREAM_MESSAGES,
    metrics.STREAM_LAST_SEQUENCE,
    metrics.CONSUMER_PENDING,
    metrics.CONSUMER_ACK_PENDING,
    metrics.CONSUMER_REDELIVERED,
    metrics.DEAD_LETTERS,
)


class BusMeasures:
    """The figures of these streams, set by `measure_bus`."""

    def __init__(self, client: Client, streams: Sequence[Stream]) -> None:
        self._client = client
        self._streams = streams

    async def measure_bus(self) -> None:
        """One round: a question per stream and per durable consumer. Raises what NATS raises while it is away."""
        jetstream = self._client.jetstream(timeout=ANSWER_SECONDS)
        try:
            for stream in self._streams:
                await _measure_stream(jetstream, stream)
        except BaseException:
            for metric in _OF_STREAMS:
                metric.clear()
            raise


async def _measure_stream(jetstream: JetStreamContext, stream: Stream) -> None:
    began = time.monotonic()
    letters = subjects.ALL_DEAD_LETTERS if stream is DEAD_LETTERS else None
    info = await jetstream.stream_info(stream.name, subjects_filter=letters)
    metrics.JETSTREAM_SECONDS.observe(time.monotonic() - began)
    metrics.STREAM_BYTES.labels(stream.name).set(info.state.bytes)
    metrics.STREAM_LIMIT_BYTES.labels(stream.name).set(max(info.config.max_bytes or 0, 0))
    metrics.STREAM_MESSAGES.labels(stream.name).set(info.state.messages)
    metrics.STREAM_LAST_SEQUENCE.labels(stream.name).set(info.state.last_seq)
    if letters:
        _count_letters(info.state.subjects or {})
    for consumer in stream.consumers:
        told = await jetstream.consumer_info(stream.name, consumer.name)
        metrics.CONSUMER_PENDING.labels(stream.name, consumer.name).set(told.num_pending or 0)
        metrics.CONSUMER_ACK_PENDING.labels(stream.name, consumer.name).set(told.num_ack_pending or 0)
        metrics.CONSUMER_REDELIVERED.labels(stream.name, consumer.name).set(told.num_redelivered or 0)


def _count_letters(kept: dict[str, int]) -> None:
    """A kind of which none is kept any more goes away with its series."""
    metrics.DEAD_LETTERS.clear()
    for subject, count in kept.items():
        service, code = subject.split(".")[-2:]
        metrics.DEAD_LETTERS.labels(service, code).set(count)
