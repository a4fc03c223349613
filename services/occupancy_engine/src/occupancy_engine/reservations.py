"""The reservation layer: a window that opens or ends, as RESERVATIONS tells it."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from occupancy_engine.domain.layers import Layers, Reserved
from occupancy_engine.domain.showing import Cause, Space, show
from occupancy_engine.store import spaces as space_rows
from parking_chassis.dead_letters import decode_event
from parking_chassis.postgres import Pool
from parking_contracts.reservation import ReservationOpened, ReservationReleased

ReservationEvent = ReservationOpened | ReservationReleased
READ_HERE: dict[str, type[ReservationEvent]] = {"opened": ReservationOpened, "released": ReservationReleased}
REMEMBERED = 8


def read_reservation(subject: str, body: bytes) -> ReservationEvent | None:
    """The event of a message, told by the last token of its subject; None for kinds that move no layer.

    Raises PoisonError.
    """
    kind = READ_HERE.get(subject.rpartition(".")[2])
    return decode_event(body, kind) if kind is not None else None


async def take_reservation(pool: Pool, event: ReservationEvent) -> None:
    """Give the space its reservation layer, or take it away; repeated and overtaken events change nothing."""
    async with pool.acquire() as connection, connection.transaction():
        space = await space_rows.lock_space(connection, event.tenant_id, event.space_id)
        if space is None:
            return
        now = datetime.now(UTC)
        layers = _with_reservation(space, event, now)
        at = event.since if isinstance(event, ReservationOpened) else event.at
        cause = Cause(
            source="reservation",
            cause=f"reservation:{event.reservation_id}",
            occurred_at=at,
            changed_at=now,
        )
        change = show(space, layers, cause)
        await space_rows.write_shown(connection, [space], [change] if change else [])
        if isinstance(event, ReservationReleased):
            released = (str(event.reservation_id), *space.released_last)
            space.released_last = tuple(dict.fromkeys(released))[:REMEMBERED]
            await space_rows.write_released(connection, space)


def _with_reservation(space: Space, event: ReservationEvent, now: datetime) -> Layers:
    layers, held_by = space.layers, space.layers.reserved
    reservation_id = str(event.reservation_id)
    if isinstance(event, ReservationReleased):
        if held_by and held_by.reservation_id == reservation_id:
            return msgspec.structs.replace(layers, reserved=None)
        return layers
    overtaken = reservation_id in space.released_last or event.until <= now
    if overtaken or (held_by and held_by.since > event.since):
        return layers
    return msgspec.structs.replace(layers, reserved=Reserved(reservation_id, event.since, event.until))
