"""What happens at a space, as SPACES tells it: arrivals, departures, deletion.

An event is a reason to look: what holds now stands in the engine's directory, so an event that comes twice, late or
out of order does no harm. Only an arrival carries something of its own, the moment, because the vehicle may have left
again by the time we hear of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from parking_chassis.dead_letters import decode_event
from parking_chassis.postgres import Connection, Pool
from parking_chassis.pull_consumer import Delivery
from parking_contracts.space import Layer, SpaceDeleted, SpaceState, SpaceStateChanged
from reservation_service.domain.reservation import Rules
from reservation_service.settling import settle
from reservation_service.store.due import spaces_concerned
from reservation_service.store.locks import lock_space

SpaceEvent = SpaceStateChanged | SpaceDeleted
READ_HERE: dict[str, type[SpaceEvent]] = {"state_changed": SpaceStateChanged, "deleted": SpaceDeleted}


def read_space_event(subject: str, body: bytes) -> SpaceEvent | None:
    """The event of a message, told by the last token of its subject; None for kinds that concern no reservation.

    Raises PoisonError.
    """
    kind = READ_HERE.get(subject.rpartition(".")[2])
    return decode_event(body, kind) if kind is not None else None


class SpaceEvents:
    """Takes batches of SPACES. Most events concern no reservation: one question sorts those out."""

    def __init__(self, pool: Pool, rules: Rules) -> None:
        self._pool = pool
        self._rules = rules

    async def take(self, deliveries: Sequence[Delivery]) -> None:
        """Settle every space that has a reservation to which its event may matter. Raises PoisonError."""
        read = (read_space_event(one.subject.decode(), one.payload) for one in deliveries)
        events = [event for event in read if event is not None]
        changed = [(event.tenant_id, event.space_id) for event in events if isinstance(event, SpaceStateChanged)]
        async with self._pool.acquire() as connection:
            concerned = await spaces_concerned(connection, changed, datetime.now(UTC), self._rules)
            for event in events:
                if isinstance(event, SpaceDeleted) or (event.tenant_id, event.space_id) in concerned:
                    await self._settle(connection, event)

    async def _settle(self, connection: Connection, event: SpaceEvent) -> None:
        space = event.tenant_id, event.space_id
        async with connection.transaction():
            await lock_space(connection, *space)
            await settle(connection, *space, datetime.now(UTC), self._rules, arrived_at=arrival(event))


def arrival(event: SpaceEvent) -> datetime | None:
    """When a vehicle came, if this event says that one did."""
    if not isinstance(event, SpaceStateChanged) or event.source != "uplink" or event.layer is not Layer.SENSOR:
        return None
    came = event.state is SpaceState.OCCUPIED and event.previous is not SpaceState.OCCUPIED
    return event.occurred_at if came else None
