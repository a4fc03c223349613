"""The reservation layer: a window that opens, moves its end, or ends, as RESERVATIONS tells it."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from occupancy_engine.domain.layers import Layers, Reserved
from occupancy_engine.domain.showing import Cause, Space, show
from occupancy_engine.store import spaces as space_rows
from parking_chassis.dead_letters import decode_event
from parking_chassis.postgres import Pool
from parking_contracts.reservation import ReservationOpened, ReservationReleased, ReservationUpdated

LayerEvent = ReservationOpened | ReservationUpdated | ReservationReleased
READ_HERE: dict[str, type[LayerEvent]] = {
    "opened": ReservationOpened,
    "updated": ReservationUpdated,
    "released": ReservationReleased,
}
REMEMBERED = 8


def read_reservation(subject: str, body: bytes) -> LayerEvent | None:
    """The event of a message, told by the last token of its subject; None for kinds that move no layer.

    Raises PoisonError.
    """
    kind = READ_HERE.get(subject.rpartition(".")[2])
    return decode_event(body, kind) if kind is not None else None


async def take_reservation(pool: Pool, event: LayerEvent) -> None:
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


def _with_reservation(space: Space, event: LayerEvent, now: datetime) -> Layers:
    layers, held_by = space.layers, space.layers.reserved
    reservation_id = str(event.reservation_id)
    holds = held_by is not None and held_by.reservation_id == reservation_id
    if isinstance(event, ReservationReleased):
        return msgspec.structs.replace(layers, reserved=None) if holds else layers
    if isinstance(event, ReservationUpdated):
        # One that is open and finds nobody else has been open beside the one that has just let go.
        applies, until = event.is_open and (holds or held_by is None), event.ends_at
        since = held_by.since if held_by else event.at
    else:
        applies, until = held_by is None or held_by.since <= event.since, event.until
        since = event.since
    if not applies or reservation_id in space.released_last or until <= now:
        return layers
    return msgspec.structs.replace(layers, reserved=Reserved(reservation_id, since, until))
