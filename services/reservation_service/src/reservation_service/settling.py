"""A space settled: everything that the clock and the sensor owe its reservations, carried out in one transaction.

Commands, the clock and the space's own events all come through here, under the lock of the space, and by the same
rules; so it does not matter which of them comes first, or how often.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from parking_chassis.postgres import Connection
from reservation_service import metrics
from reservation_service.domain.reservation import Rules, Scene
from reservation_service.domain.windows import Step, owed
from reservation_service.store import events, places, reservations


async def settle(
    connection: Connection,
    tenant_id: UUID,
    space_id: UUID,
    now: datetime,
    rules: Rules,
    *,
    arrived_at: datetime | None = None,
) -> list[Step]:
    """Carry out what is owed; the caller holds the space's lock. `arrived_at`: when a vehicle came, as it was told."""
    scene = await look(connection, tenant_id, space_id, now, rules, arrived_at=arrived_at)
    steps = owed(scene)
    await carry_out(connection, steps, now)
    return steps


async def look(
    connection: Connection,
    tenant_id: UUID,
    space_id: UUID,
    now: datetime,
    rules: Rules,
    *,
    arrived_at: datetime | None = None,
) -> Scene:
    """The space as it is."""
    place = await places.find(connection, tenant_id, space_id)
    return Scene(
        reservations=await reservations.of_space(connection, tenant_id, space_id, now),
        now=now,
        rules=rules,
        sensor=place.sensor if place else None,
        arrived_at=arrived_at,
        is_deleted=place is None or place.is_deleted,
    )


async def carry_out(connection: Connection, steps: Sequence[Step], now: datetime) -> None:
    """Write what the steps come to, and tell of each."""
    changed = {step.reservation.id: step.reservation for step in steps}
    await reservations.write(connection, changed.values(), now)
    told = [event for step in steps for event in step.events]
    await events.tell(connection, told)
    for event in told:
        metrics.count_event(event)
