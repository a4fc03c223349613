"""What a vehicle's arrival means for the reservations of its space: whose it is, or nobody's.

An arrival checks in the reservation that runs then, else the one whose window is open; each arrival at most one, and
one that is told again, or told late, none.
"""

from __future__ import annotations

from datetime import datetime

from reservation_service.domain.reservation import Reservation, Scene


def window_start(one: Reservation, scene: Scene) -> datetime:
    """From when an arrival counts for this reservation: its lead time, once booked and once its predecessor ended."""
    before = [other.ended_at for other in scene.reservations if other.ended_at and other.starts_at < one.starts_at]
    due = max(one.starts_at - scene.rules.lead, one.created_at, *before)
    return min(due, one.opened_at) if one.opened_at else due


def arrival_of(one: Reservation, scene: Scene) -> datetime | None:
    """When the vehicle of this reservation came, if an arrival is its own."""
    for moment in _arrivals(scene):
        taker = _taker(moment, scene)
        if taker is not None and taker.id == one.id:
            return moment
    return None


def stands_in_the_way(one: Reservation, scene: Scene) -> bool:
    """Whether the vehicle that is there came before the window, or for another reservation."""
    sensor = scene.sensor
    if sensor is None or not sensor.occupied:
        return False
    return sensor.since < window_start(one, scene) or sensor.since <= _newest_taken(scene)


def _arrivals(scene: Scene) -> list[datetime]:
    """The arrivals nobody has been checked in by, oldest first."""
    told, sensor = scene.arrived_at, scene.sensor
    moments = set()
    if sensor is not None and sensor.occupied:
        moments.add(sensor.since)
        # A vehicle seen again after silence is shown anew and has not come anew.
        told = None if told is not None and told >= sensor.since else told
    if told is not None:
        moments.add(told)
    return sorted(moment for moment in moments if moment > _newest_taken(scene))


def _newest_taken(scene: Scene) -> datetime:
    """The newest arrival that has checked somebody in."""
    return max(
        (one.checked_in_at for one in scene.reservations if one.checked_in_at and one.checked_in_by == "arrival"),
        default=_LONG_AGO,
    )


def _taker(moment: datetime, scene: Scene) -> Reservation | None:
    waiting = [one for one in scene.reservations if one.is_awaited and window_start(one, scene) <= moment < one.ends_at]
    running = [one for one in waiting if one.starts_at <= moment]
    return next(iter(running or waiting), None)


_LONG_AGO = datetime.fromisoformat("0001-01-02T00:00:00+00:00")
