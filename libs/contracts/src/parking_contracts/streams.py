"""The streams of the bus and their durable consumers, declared once; `parkstream migrate` creates them.

Acknowledged input (INGRESS, UPLINKS, DEVICES) is never discarded: a full stream refuses, and the sender keeps the
rest. UPLINKS keeps what is acknowledged until its consumer purges it (docs/decisions/0007): with one fsync per write,
a work queue's deletion at each acknowledgement costs more than the uplink itself. Every durable consumer acknowledges
message by message and is never given up on (`max_deliver` -1): an outage must not turn work into dead letters. A
service creates no durable of its own; a gateway process makes one ordered, ephemeral consumer per stream.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from parking_contracts import subjects

DAY = 86_400.0
GIB = 1 << 30
MAX_PAYLOAD_BYTES = 8 << 20


class Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """A durable pull consumer with explicit acknowledgement."""

    name: str
    ack_wait_seconds: float = 30.0
    max_ack_pending: int = 20_000


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A JetStream stream on file storage. `max_bytes` is what one node needs; zero means no limit."""

    name: str
    subjects: tuple[str, ...]
    retention: Literal["work_queue", "interest", "limits"]
    discard: Literal["new", "old"]
    max_bytes: int
    max_age_seconds: float = 0.0
    duplicate_window_seconds: float = 120.0
    allow_atomic: bool = False
    consumers: tuple[Consumer, ...] = ()


INGRESS = Stream(
    name="INGRESS",
    subjects=(subjects.ALL_INGRESS,),
    retention="work_queue",
    discard="new",
    max_bytes=1 * GIB,
    consumers=(Consumer(name="uplink_ingestor"),),
)
UPLINKS = Stream(
    name="UPLINKS",
    subjects=(subjects.ALL_UPLINKS, subjects.TICK),
    retention="limits",
    discard="new",
    max_bytes=8 * GIB,
    allow_atomic=True,
    consumers=(Consumer(name="occupancy_engine"),),
)
DEVICES = Stream(
    name="DEVICES",
    subjects=(subjects.ALL_DEVICES, subjects.ALL_GATEWAYS),
    retention="interest",
    discard="new",
    max_bytes=2 * GIB,
    consumers=(Consumer(name="occupancy_engine"), Consumer(name="downlink_dispatcher")),
)
SPACES = Stream(
    name="SPACES",
    subjects=(subjects.ALL_SPACES,),
    retention="limits",
    discard="old",
    allow_atomic=True,
    max_bytes=4 * GIB,
    max_age_seconds=7 * DAY,
    consumers=(
        Consumer(name="reservation_service"),
        Consumer(name="downlink_dispatcher"),
        Consumer(name="api_gateway"),
    ),
)
RESERVATIONS = Stream(
    name="RESERVATIONS",
    subjects=(subjects.ALL_RESERVATIONS,),
    retention="limits",
    discard="old",
    allow_atomic=True,
    max_bytes=1 * GIB,
    max_age_seconds=7 * DAY,
    consumers=(Consumer(name="occupancy_engine"), Consumer(name="api_gateway")),
)
DEAD_LETTERS = Stream(
    name="DEAD_LETTERS",
    subjects=(subjects.ALL_DEAD_LETTERS,),
    retention="limits",
    discard="old",
    max_bytes=1 * GIB,
    max_age_seconds=30 * DAY,
)

STREAMS = (INGRESS, UPLINKS, DEVICES, SPACES, RESERVATIONS, DEAD_LETTERS)

MEASURED_BY: dict[str, tuple[Stream, ...]] = {
    "uplink_ingestor": (INGRESS, UPLINKS, DEVICES),
    "occupancy_engine": (UPLINKS, DEVICES, SPACES, RESERVATIONS),
    "reservation_service": (SPACES, RESERVATIONS),
    "downlink_dispatcher": (DEVICES, SPACES),
    "api_gateway": (INGRESS, SPACES, RESERVATIONS, DEAD_LETTERS),
}
"""Whose figures, with those of its durable consumers, each service asks for and exports: of what it writes or reads."""


def stream_of(subject: str) -> Stream:
    """The stream that keeps a subject. Raises LookupError: none does."""
    for stream in STREAMS:
        for pattern in stream.subjects:
            if subject == pattern or (pattern.endswith(">") and subject.startswith(pattern[:-1])):
                return stream
    raise LookupError(f"no stream keeps {subject}")
