"""What happened on a space: stays as a fold over its readings in order, and its repair when a reading comes late.

A stay begins with the first occupied reading and ends with the first free one after it. The fold of all readings is
the truth; a late reading is folded again only between its neighbours, which comes to the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

Place = tuple[datetime, int]
"""(session_at, fCnt): where a reading stands in its device's life."""


class Reading(msgspec.Struct, frozen=True):
    """One reading that says whether the space was occupied."""

    place: Place
    occurred_at: datetime
    received_at: datetime
    occupied: bool


class Stay(msgspec.Struct, frozen=True):
    """One car's stay, known by the reading that began it; `departed` is None while it lasts. `id` once stored."""

    arrived: Place
    arrived_at: datetime
    received_at: datetime
    departed: Place | None = None
    departed_at: datetime | None = None
    id: str | None = None


class Repair(msgspec.Struct, frozen=True):
    """What changes: stays that never were, and stays to write (a new one has no id yet)."""

    removed: tuple[Stay, ...]
    written: tuple[Stay, ...]

    def extent(self, stored: Sequence[Stay]) -> tuple[datetime, datetime] | None:
        """Between which moments something else happened than was thought; `stored` is what was thought."""
        rewritten = {stay.id for stay in self.written}
        stays = [*self.removed, *self.written, *(stay for stay in stored if stay.id in rewritten)]
        moments = [moment for stay in stays for moment in (stay.arrived_at, stay.departed_at) if moment is not None]
        return (min(moments), max(moments)) if moments else None


def fold(readings: Sequence[Reading], running: Stay | None = None) -> list[Stay]:
    """The stays that readings tell of, in order; `running` is the stay the first reading falls into.

    A departure is never before its arrival, whatever the clocks say.
    """
    stays = []
    for reading in readings:
        if reading.occupied and running is None:
            running = Stay(reading.place, reading.occurred_at, reading.received_at)
        elif not reading.occupied and running is not None:
            stays.append(
                msgspec.structs.replace(
                    running, departed=reading.place, departed_at=max(running.arrived_at, reading.occurred_at)
                )
            )
            running = None
    return [*stays, running] if running is not None else stays


def repair(readings: Sequence[Reading], stored: Sequence[Stay]) -> Repair:
    """Fold a stretch of readings again: from the neighbour before the late ones to the neighbour after them.

    `stored` are the stays that touch the stretch. The stay that the first reading stands in goes on from its own
    arrival; the one that the last reading stands in keeps its own departure.
    """
    first, last = readings[0], readings[-1]
    entering = None
    if first.occupied:
        entering = next(
            (stay for stay in stored if stay.arrived < first.place and _lasts_after(stay, first.place)), None
        )
    if entering is None:
        stored = [stay for stay in stored if stay.arrived >= first.place]
    leaving = next((stay for stay in stored if stay.arrived <= last.place and _lasts_after(stay, last.place)), None)
    folded = fold(readings, entering and msgspec.structs.replace(entering, departed=None, departed_at=None, id=None))
    if leaving is not None and folded and folded[-1].departed is None:
        departed_at = leaving.departed_at and max(leaving.departed_at, folded[-1].arrived_at)
        folded[-1] = msgspec.structs.replace(folded[-1], departed=leaving.departed, departed_at=departed_at)
    return _difference(folded, stored)


def _lasts_after(stay: Stay, place: Place) -> bool:
    return stay.departed is None or stay.departed > place


def _difference(folded: Sequence[Stay], stored: Sequence[Stay]) -> Repair:
    """Match by departure first (so the running stay keeps its id), then by arrival."""
    unmatched = list(stored)
    ids: dict[int, str | None] = {}
    for same in ("departed", "arrived"):
        for index, stay in enumerate(folded):
            if index in ids:
                continue
            twin = next((one for one in unmatched if getattr(one, same) == getattr(stay, same)), None)
            if twin is not None:
                unmatched.remove(twin)
                ids[index] = twin.id
    now = [msgspec.structs.replace(stay, id=ids.get(index)) for index, stay in enumerate(folded)]
    before = set(stored)
    return Repair(tuple(unmatched), tuple(stay for stay in now if stay not in before))
