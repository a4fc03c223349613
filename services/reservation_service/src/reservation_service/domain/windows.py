"""What the clock and the sensor owe the reservations of a space now: one small rule per thing that can happen.

A window opens at the lead time, but never before the reservation ahead of it has ended; somebody comes, or a vehicle
stands in the way, or nobody comes; the time is over; the vehicle is still there. `owed` says all that is due, in order;
carried out, it owes nothing more, so it may run at any moment and any number of times.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from parking_contracts.reservation import (
    ReservationCheckedIn,
    ReservationEvent,
    ReservationObstructed,
    ReservationOpened,
    ReservationOverstayed,
    ReservationReleased,
    ReservationUpdated,
)
from reservation_service.domain.arrivals import arrival_of, stands_in_the_way
from reservation_service.domain.reservation import Reservation, Scene

SPACE_DELETED = "the space was deleted"


class Step(msgspec.Struct, frozen=True):
    """A reservation as it is from now on, and what is told of it."""

    reservation: Reservation
    events: tuple[ReservationEvent, ...] = ()


def owed(scene: Scene) -> list[Step]:
    """Everything that is due, in order."""
    steps: list[Step] = []
    while (step := _next(scene)) is not None:
        steps.append(step)
        scene = with_reservation(scene, step.reservation)
    return steps


def with_reservation(scene: Scene, changed: Reservation) -> Scene:
    """The scene with this reservation as it is now."""
    reservations = tuple(changed if one.id == changed.id else one for one in scene.reservations)
    return msgspec.structs.replace(scene, reservations=reservations)


def release(
    one: Reservation, scene: Scene, reason: Literal["completed", "cancelled", "no_show"], detail: str = ""
) -> Step:
    """It lets its space go. Where a later one has been held beside it, that one holds the space alone now."""
    gone = msgspec.structs.replace(
        one, status=reason, ended_at=min(scene.now, one.ends_at), cancel_reason=detail if reason == "cancelled" else ""
    )
    events: list[ReservationEvent] = [ReservationReleased(**_fact(one), reason=reason, detail=detail, at=scene.now)]
    beside = (other for other in scene.reservations if other.id != one.id and other.is_active and other.opened_at)
    if one.opened_at is not None and (heir := next(beside, None)) is not None:
        events.append(updated(heir, scene.now))
    return Step(gone, tuple(events))


def check_in(one: Reservation, by: Literal["arrival", "api"], at: datetime) -> Step:
    """Whoever booked has come."""
    present = msgspec.structs.replace(one, checked_in_at=at, checked_in_by=by)
    return Step(present, (ReservationCheckedIn(**_fact(one), by=by, at=at),))


def updated(one: Reservation, now: datetime) -> ReservationUpdated:
    """Its times, and whether it holds its space."""
    is_open = one.is_active and one.opened_at is not None
    return ReservationUpdated(**_fact(one), starts_at=one.starts_at, ends_at=one.ends_at, is_open=is_open, at=now)


def _next(scene: Scene) -> Step | None:
    for one in scene.reservations:
        for rule in _RULES:
            step = rule(one, scene)
            if step is not None:
                return step
    return None


def _loses_its_space(one: Reservation, scene: Scene) -> Step | None:
    if not scene.is_deleted or not one.is_active:
        return None
    return release(one, scene, "cancelled", SPACE_DELETED)


def _arrives(one: Reservation, scene: Scene) -> Step | None:
    if not one.is_awaited:
        return None
    at = arrival_of(one, scene)
    return check_in(one, "arrival", at) if at is not None else None


def _is_obstructed(one: Reservation, scene: Scene) -> Step | None:
    """A vehicle stands there that is not its own; one of a reservation that still runs may."""
    if not one.is_awaited or not _is_first(one, scene) or not stands_in_the_way(one, scene):
        return None
    if one.obstructed_at is not None:
        # Thought gone while its sensor was silent, and still there.
        return Step(msgspec.structs.replace(one, cleared_at=None)) if one.cleared_at is not None else None
    assert scene.sensor is not None  # noqa: S101  it sees the vehicle
    event = ReservationObstructed(**_fact(one), since=scene.sensor.since, at=scene.now)
    return Step(msgspec.structs.replace(one, obstructed_at=scene.now, cleared_at=None), (event,))


def _is_cleared(one: Reservation, scene: Scene) -> Step | None:
    """The vehicle in the way has left: the grace of whoever booked begins then."""
    sensor = scene.sensor
    if not one.is_awaited or one.obstructed_at is None or one.cleared_at is not None:
        return None
    if sensor is not None and sensor.occupied:
        return None
    left_at = max(sensor.since, one.obstructed_at) if sensor is not None else scene.now
    return Step(msgspec.structs.replace(one, cleared_at=left_at))


def _does_not_come(one: Reservation, scene: Scene) -> Step | None:
    if not one.is_awaited or one.opened_at is None or (scene.sensor is not None and scene.sensor.occupied):
        return None
    held_since = max(one.starts_at, one.opened_at, one.cleared_at or one.starts_at)
    if held_since + scene.rules.no_show_grace > min(scene.now, one.ends_at):
        return None
    return release(one, scene, "no_show")


def _ends(one: Reservation, scene: Scene) -> Step | None:
    if not one.is_active or one.ends_at > scene.now:
        return None
    return release(one, scene, "completed")


def _opens(one: Reservation, scene: Scene) -> Step | None:
    if not one.is_active or one.opened_at is not None or one.starts_at - scene.rules.lead > scene.now:
        return None
    if not _is_first(one, scene):
        return None
    event = ReservationOpened(**_fact(one), since=scene.now, until=one.ends_at)
    return Step(msgspec.structs.replace(one, opened_at=scene.now), (event,))


def _overstays(one: Reservation, scene: Scene) -> Step | None:
    sensor = scene.sensor
    if one.status != "completed" or one.checked_in_at is None or one.overstayed_at is not None:
        return None
    if one.ends_at + scene.rules.overstay_grace > scene.now:
        return None
    if sensor is None or not sensor.occupied or sensor.since >= one.ends_at:
        return None
    event = ReservationOverstayed(**_fact(one), ends_at=one.ends_at, at=scene.now)
    return Step(msgspec.structs.replace(one, overstayed_at=scene.now), (event,))


def _is_first(one: Reservation, scene: Scene) -> bool:
    """Whether no active reservation of the space comes before it."""
    return next(other for other in scene.reservations if other.is_active).id == one.id


def _fact(one: Reservation) -> dict[str, UUID]:
    return {"tenant_id": one.tenant_id, "space_id": one.space_id, "reservation_id": one.id}


# In the order in which they are asked: whoever came in time has not missed it, and what is over does not open.
_RULES = (
    _loses_its_space,
    _arrives,
    _is_obstructed,
    _is_cleared,
    _does_not_come,
    _ends,
    _opens,
    _overstays,
)
