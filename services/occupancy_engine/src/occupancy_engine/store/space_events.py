"""A space's event as the outbox keeps it: its subject and type follow from what it is."""

from __future__ import annotations

from uuid import UUID

import msgspec

from parking_chassis.outbox import Event
from parking_contracts import subjects
from parking_contracts.space import EVENT_TYPES, SpaceCreated, SpaceDeleted, SpaceStateChanged, SpaceUpdated

SpaceEvent = SpaceCreated | SpaceUpdated | SpaceDeleted | SpaceStateChanged


def space_event(tenant_id: UUID, space_id: UUID, event: SpaceEvent) -> Event:
    """Any event of a space's life, ready to be written."""
    event_type = EVENT_TYPES[type(event)]
    subject = subjects.space(tenant_id, space_id, subjects.event_of(event_type))
    return Event(subject=subject, type=event_type, payload=msgspec.json.encode(event))
