"""What happens at a space, as SPACES tells it: arrivals, departures, deletion.

An event is a reason to look: what holds now stands in the engine's directory, so an event that comes twice, late or
out of order does no harm. Only an arrival carries something of its own, the moment, because the vehicle may have left
again by the time we hear of it.
"""

from __future__ import annotations

from datetime import UTC, datetime

from parking_chassis.dead_letters import decode_event
from parking_chassis.postgres import Pool
from parking_contracts.space import Layer, SpaceDeleted, SpaceState, SpaceStateChanged
from reservation_service.domain.reservation import Rules
from reservation_service.settling import settle
from reservation_service.store.due import is_concerned
from reservation_service.store.locks import lock_space

SpaceEvent = SpaceStateChanged | SpaceDeleted
READ_HERE: dict[str, type[SpaceEvent]] = {"state_changed": SpaceStateChanged, "deleted": SpaceDeleted}


def read_space_event(subject: str, body: bytes) -> SpaceEvent | None:
    """The event of a message, told by the last token of its subject; None for kinds that concern no reservation.

    Raises PoisonError.
    """
    kind = READ_HERE.get(subject.rpartition(".")[2])
    return decode_event(body, kind) if kind is not None else None


async def take_space_event(pool: Pool, event: SpaceEvent, rules: Rules) -> None:
    """Settle the space, if it has a reservation to which this may matter."""
    tenant_id, space_id, now = event.tenant_id, event.space_id, datetime.now(UTC)
    is_deleted = isinstance(event, SpaceDeleted)
    async with pool.acquire() as connection:
        if not is_deleted and not await is_concerned(connection, tenant_id, space_id, now, rules):
            return
        async with connection.transaction():
            await lock_space(connection, tenant_id, space_id)
            await settle(connection, tenant_id, space_id, now, rules, arrived_at=arrival(event))


def arrival(event: SpaceEvent) -> datetime | None:
    """When a vehicle came, if this event says that one did."""
    if not isinstance(event, SpaceStateChanged) or event.source != "uplink" or event.layer is not Layer.SENSOR:
        return None
    came = event.state is SpaceState.OCCUPIED and event.previous is not SpaceState.OCCUPIED
    return event.occurred_at if came else None
