"""Which downlink belongs to which change of a space.

In: when each change of a display's space was due, and what ChirpStack was given for it. Out: seconds per change. Every
change of a space asks for other bytes than the one before, so that the n-th change of a display is its n-th downlink,
unless two came so close together that the first was never sent: those displays are counted, not guessed at.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Told:
    """Latencies in seconds; `merged` is the number of changes that share a downlink with a later one."""

    seconds: list[float] = field(default_factory=list)
    merged: int = 0


def match(changes: Iterable[tuple[str, float]], downlinks: Iterable[tuple[str, float]]) -> Told:
    """`changes` and `downlinks`: (DevEUI of the display, monotonic seconds), each in the order of time."""
    due_of: defaultdict[str, list[float]] = defaultdict(list)
    queued_of: defaultdict[str, list[float]] = defaultdict(list)
    for dev_eui, at in changes:
        due_of[dev_eui].append(at)
    for dev_eui, at in downlinks:
        queued_of[dev_eui].append(at)
    told = Told()
    for dev_eui, due in due_of.items():
        queued = queued_of[dev_eui]
        if len(queued) == len(due):
            told.seconds += [at - since for since, at in zip(due, queued, strict=True)]
        else:
            told.merged += len(due)
    return told
