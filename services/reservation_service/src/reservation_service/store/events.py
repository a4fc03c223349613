"""A reservation's events as the outbox keeps them: subject and type follow from what they are."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from parking_chassis.outbox import Event, write_events
from parking_chassis.postgres import Connection
from parking_contracts import subjects
from parking_contracts.reservation import EVENT_TYPES, ReservationEvent
from reservation_service import SCHEMA


async def tell(connection: Connection, events: Iterable[ReservationEvent]) -> None:
    """Write events to the outbox, in order; the caller holds the lock of their space."""
    await write_events(connection, SCHEMA, [_event(event) for event in events])


def _event(event: ReservationEvent) -> Event:
    event_type = EVENT_TYPES[type(event)]
    subject = subjects.reservation(event.tenant_id, event.space_id, subjects.event_of(event_type))
    return Event(subject=subject, type=event_type, payload=msgspec.json.encode(event))
