"""From the stays of spaces to the figures of one local day: seconds per quarter hour and hour, arrivals, dwell.

In: a local day of a site, where a space stood on it, and its stays. Out: tallies that add up over spaces, zones and
kinds. Moments are whole seconds since 1970, so that adding up is exact.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

import msgspec

from parking_contracts.dwell import bucket_of
from parking_contracts.local_days import QUARTER, LocalDay


class Presence(msgspec.Struct, frozen=True):
    """A space stood at a place from one moment until another, watched by a sensor from `watched_from` on, or never.

    A space's first place begins before the space was made, for what a recording brings from that time.
    """

    begins_at: int
    ends_at: int
    watched_from: int | None


class Lasting(msgspec.Struct, frozen=True):
    """A stay as it counts: a running one ends for now. `dwell_seconds` is None unless its sensor saw it end."""

    arrived_at: int
    ends_at: int
    departed_at: int | None
    dwell_seconds: float | None


class Tally(msgspec.Struct):
    """The figures of one day, of a space or of many. Seconds per quarter hour since the day's start."""

    occupied: list[int]
    watched: list[int]
    arrivals: int = 0
    departures: int = 0
    dwell_seconds: int = 0
    dwell: dict[int, int] = msgspec.field(default_factory=dict)

    @classmethod
    def of(cls, day: LocalDay) -> Tally:
        """An empty one."""
        return cls([0] * day.quarters, [0] * day.quarters)

    def add(self, other: Tally) -> None:
        """Take another tally of the same day in."""
        self.occupied = [mine + theirs for mine, theirs in zip(self.occupied, other.occupied, strict=True)]
        self.watched = [mine + theirs for mine, theirs in zip(self.watched, other.watched, strict=True)]
        self.arrivals += other.arrivals
        self.departures += other.departures
        self.dwell_seconds += other.dwell_seconds
        for bucket, count in other.dwell.items():
            self.dwell[bucket] = self.dwell.get(bucket, 0) + count

    @property
    def empty(self) -> bool:
        """Whether nothing was there to be counted."""
        return not (self.arrivals or self.departures or any(self.watched))

    def peak(self) -> int | None:
        """The number of the first fullest quarter hour; None when nothing was occupied."""
        most = max(self.occupied, default=0)
        return self.occupied.index(most) if most else None


def fold_space(day: LocalDay, presences: Iterable[Presence], stays: Sequence[Lasting], until: int) -> Tally:
    """A space's day at one place, until a moment. `stays` come in the order of their arrivals.

    A space is occupied once: what two sensors say of the same second counts once. Without a sensor it is watched as
    long as a stay says so, and a day before it was made is watched if it had a stay. A stay's arrival and departure
    belong to the place where the space stood at that moment.
    """
    tally = Tally.of(day)
    for presence in presences:
        low, high = max(day.starts_at, presence.begins_at), min(day.ends_at, presence.ends_at, until)
        if low >= high:
            continue
        watched_from = _watched_from(presence, stays, low, high)
        if watched_from < high:
            _spread(tally.watched, watched_from - day.starts_at, high - day.starts_at)
        counted_until = low
        for stay in stays:
            _count_ends(tally, stay, low, high)
            begins, ends = max(stay.arrived_at, counted_until), min(stay.ends_at, high)
            if begins < ends:
                _spread(tally.occupied, begins - day.starts_at, ends - day.starts_at)
                if begins < watched_from:
                    _spread(tally.watched, begins - day.starts_at, min(ends, watched_from) - day.starts_at)
                counted_until = ends
    return tally


def _watched_from(presence: Presence, stays: Sequence[Lasting], low: int, high: int) -> int:
    """From when on the space counts as watched between `low` and `high`; `high` when it does not."""
    if presence.watched_from is None:
        return high
    if presence.watched_from >= high and any(stay.arrived_at < high and stay.ends_at > low for stay in stays):
        return low
    return min(max(presence.watched_from, low), high)


def _count_ends(tally: Tally, stay: Lasting, low: int, high: int) -> None:
    if low <= stay.arrived_at < high:
        tally.arrivals += 1
    if stay.departed_at is not None and stay.dwell_seconds is not None and low <= stay.departed_at < high:
        tally.departures += 1
        tally.dwell_seconds += round(stay.dwell_seconds)
        bucket = bucket_of(stay.dwell_seconds)
        tally.dwell[bucket] = tally.dwell.get(bucket, 0) + 1


def _spread(quarters: list[int], begins: int, ends: int) -> None:
    """Add the seconds from `begins` to `ends`, counted from the day's start, to the quarters they lie in."""
    first, last = begins // QUARTER, (ends - 1) // QUARTER
    if first == last:
        quarters[first] += ends - begins
        return
    quarters[first] += (first + 1) * QUARTER - begins
    for number in range(first + 1, last):
        quarters[number] += QUARTER
    quarters[last] += ends - last * QUARTER


def by_hour(day: LocalDay, quarters: Sequence[int]) -> list[int]:
    """Quarter hours added up to the local hours they lie in."""
    ends = list(accumulate(day.hour_quarters))
    return [sum(quarters[end - length : end]) for length, end in zip(day.hour_quarters, ends, strict=True)]
