"""What was recorded against what the platform made of it, stay by stay, to the minute.

In: the union of the recorded stays of each bay, and the stays found in the database. Out: the differences. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from parking_simulator.stays import Interval, minute


class FoundStay(NamedTuple):
    """A stay of the platform, in seconds since 1970; `end` is None while it lasts."""

    start: int
    end: int | None


class Difference(msgspec.Struct, frozen=True):
    """One stay that was missed, invented, or found with other times than recorded."""

    kind: Literal["missing", "invented", "different"]
    bay: str
    recorded: Interval | None
    found: FoundStay | None


def compare(recorded: Mapping[str, Sequence[Interval]], found: Mapping[str, Sequence[FoundStay]]) -> list[Difference]:
    """All differences, by bay and time; an empty list means that they say the same to the minute."""
    return [
        difference
        for bay in sorted(recorded.keys() | found.keys())
        for difference in _compare_bay(bay, recorded.get(bay, ()), found.get(bay, ()))
    ]


def _compare_bay(bay: str, recorded: Sequence[Interval], found: Sequence[FoundStay]) -> list[Difference]:
    wanted = Counter(FoundStay(minute(stay.start), minute(stay.end)) for stay in recorded)
    got = Counter(FoundStay(minute(stay.start), minute(stay.end) if stay.end is not None else None) for stay in found)
    if wanted == got:
        return []
    invented = sorted((got - wanted).elements(), key=lambda stay: stay.start)
    differences: list[Difference] = []
    for stay in sorted((wanted - got).elements()):
        interval = Interval(stay.start, stay.end if stay.end is not None else stay.start)
        partner = next((other for other in invented if _meet(interval, other)), None)
        if partner is not None:
            invented.remove(partner)
        differences.append(Difference("different" if partner else "missing", bay, interval, partner))
    differences += [Difference("invented", bay, None, stay) for stay in invented]
    return differences


def _meet(recorded: Interval, found: FoundStay) -> bool:
    return found.start <= recorded.end and (found.end is None or recorded.start <= found.end)
