"""Every metric of this service, and the names of its log events.

Log events: `space_unsettled`, and those of the chassis. None carries personal data.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from parking_contracts import subjects
from parking_contracts.reservation import EVENT_TYPES, ReservationEvent, ReservationReleased

COMMANDS = Counter("parkstream_reservation_commands_total", "Commands answered", ["command", "outcome"])
EVENTS = Counter(
    "parkstream_reservation_events_total",
    "What happened to reservations: created, opened, checked_in, completed, no_show, ...",
    ["event"],
)
CLOCK_SECONDS = Histogram(
    "parkstream_reservation_clock_seconds",
    "One run of the clock",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
SPACES_UNSETTLED = Counter(
    "parkstream_reservation_spaces_unsettled_total", "Spaces that a run of the clock failed to settle"
)
LIVE = Gauge("parkstream_reservation_live", "Reservations that have not ended: upcoming, or open by now", ["phase"])
OVERDUE = Gauge(
    "parkstream_reservation_overdue", "Reservations that still hold their space two minutes after their end"
)
PRUNED = Counter("parkstream_reservation_pruned_total", "Reservations stripped of personal data after their time")


def count_event(event: ReservationEvent) -> None:
    """One more of its kind: `created`, `opened`, ...; of a release its reason: `completed`, `cancelled`, `no_show`."""
    kind = event.reason if isinstance(event, ReservationReleased) else subjects.event_of(EVENT_TYPES[type(event)])
    EVENTS.labels(kind).inc()
