"""The order in which messages arrive: as the network really delivers them, some twice and some late.

In: occurrences in the order in which they happened. Out: the same ones in an order of delivery, drawn from a seed.
Pure and lazy: it holds only what it still owes.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from parking_simulator.occurrences import Occurrence, Uplink

LONGEST_DELAY_FRAMES: Final = 30
SHARE_DELIVERED_LAST: Final = 0.1
SHARE_REPEATED_AT_ONCE: Final = 0.5


class Tally(msgspec.Struct):
    """How much was delivered: distinct uplinks, repeats of them, and those that came after a later one."""

    uplinks: int = 0
    duplicates: int = 0
    late: int = 0
    others: int = 0

    @property
    def messages(self) -> int:
        """All that went out."""
        return self.uplinks + self.duplicates + self.others


class _Owed(msgspec.Struct):
    """An uplink kept back until its device has delivered `due` frames; `seen` is the count when it was kept."""

    frame: Uplink
    due: float
    seen: int
    repeat: bool


def deliver(
    occurrences: Iterable[Occurrence], *, duplicates: float, late: float, seed: int, tally: Tally | None = None
) -> Iterator[Occurrence]:
    """Redeliver the share `duplicates` of all uplinks, and deliver the share `late` after later ones of the device.

    A late frame comes after 1 to 30 later frames of its device, one in ten of them after everything else. A repeat
    comes at once or, every other one, that much later.
    """
    dice = random.Random(seed)  # noqa: S311  a simulation, not a secret
    tally = tally if tally is not None else Tally()
    delivered: defaultdict[str, int] = defaultdict(int)
    owed: defaultdict[str, list[_Owed]] = defaultdict(list)
    for occurrence in occurrences:
        if not isinstance(occurrence, Uplink):
            tally.others += 1
            yield occurrence
            continue
        eui = occurrence.device.dev_eui
        if dice.random() < late:
            owed[eui].append(_Owed(occurrence, delivered[eui] + _delay(dice), delivered[eui], repeat=False))
            continue
        delivered[eui] += 1
        tally.uplinks += 1
        yield occurrence
        if dice.random() < duplicates:
            if dice.random() < SHARE_REPEATED_AT_ONCE:
                tally.duplicates += 1
                yield occurrence
            else:
                owed[eui].append(_Owed(occurrence, delivered[eui] + _delay(dice), delivered[eui], repeat=True))
        if owed[eui]:
            yield from _due(owed[eui], delivered[eui], tally)
    rest = [(delivered[eui], entry) for eui, entries in owed.items() for entry in entries]
    dice.shuffle(rest)
    for count, entry in rest:
        yield _count(entry, count, tally)


def _delay(dice: random.Random) -> float:
    return float("inf") if dice.random() < SHARE_DELIVERED_LAST else dice.randint(1, LONGEST_DELAY_FRAMES)


def _due(entries: list[_Owed], delivered: int, tally: Tally) -> Iterator[Uplink]:
    """Take out and deliver what is due after `delivered` frames of this device."""
    for entry in [entry for entry in entries if entry.due <= delivered]:
        entries.remove(entry)
        yield _count(entry, delivered, tally)


def _count(entry: _Owed, delivered: int, tally: Tally) -> Uplink:
    if entry.repeat:
        tally.duplicates += 1
    else:
        tally.uplinks += 1
        tally.late += delivered > entry.seen
    return entry.frame
