"""The outbox's rows of a batch, written with everything else that the batch writes."""

from __future__ import annotations

from collections.abc import Iterable

from occupancy_engine import SCHEMA
from occupancy_engine.store.one_statement import ROWS, Write
from parking_chassis.outbox import Event, channel_of

# Equal notifications of a transaction are sent once.
_INSERT_EVENTS = f"""
    INSERT INTO occupancy.outbox (subject, type, payload) SELECT * FROM unnest({ROWS}::occupancy.event[])
    RETURNING pg_notify('{channel_of(SCHEMA)}', '')
"""  # noqa: S608  the constants


def event_writes(events: Iterable[Event]) -> tuple[Write]:
    """As `parking_chassis.outbox.write_events`, for a statement of several writes.

    A batch has locked its devices by then, so its transaction has a number.
    """
    return (Write("events", _INSERT_EVENTS, [(event.subject, event.type, event.payload) for event in events]),)
