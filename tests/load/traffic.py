"""A burst of uplinks as the field delivers it: most in order, some redelivered, some late.

In: the shares. Out: the messages in the order in which they are published, and what must be stored of them. A
duplicate is the same event again (the same deduplicationId), up to 1,000 messages later. A late one comes right after
the next uplink of its device, with the lower fCnt.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from load.street import Street
from parking_simulator.occurrences import SECOND_NS
from parking_simulator.rendering import Message

FASTEST_PER_SECOND = 50_000  # how closely the frames of a burst follow each other on the air
DUPLICATE_WITHIN = 1_000


@dataclass(frozen=True)
class Mix:
    """Shares of a burst's uplinks: those that change a state, those redelivered, those late."""

    changing: float = 0.2
    duplicates: float = 0.02
    late: float = 0.01


@dataclass(frozen=True)
class Traffic:
    """`uplinks` different ones; `messages` has the duplicates too, in the order of publishing.

    `f_cnts` of every device in order, and whether it is `occupied` in the end.
    """

    uplinks: int
    messages: Sequence[Message]
    f_cnts: dict[str, list[int]]
    occupied: dict[str, bool]


def make_traffic(street: Street, uplinks: int, mix: Mix) -> Traffic:
    """Render a burst. A device's last uplink cannot be late; others are, so that the share holds where it can."""
    begin_ns = time.time_ns()
    spaces, dice = len(street.voices), street.dice
    can_be_late = range(max(0, uplinks - spaces))
    late = set(dice.sample(can_be_late, min(int(uplinks * mix.late), len(can_be_late))))
    repeated = set(dice.sample(range(uplinks), int(uplinks * mix.duplicates)))
    f_cnts: dict[str, list[int]] = defaultdict(list)
    placed: list[tuple[float, Message]] = []
    for number in range(uplinks):
        frame = street.frame(number, begin_ns + number * SECOND_NS // FASTEST_PER_SECOND, mix.changing)
        f_cnts[frame.uplink.device.dev_eui].append(frame.uplink.f_cnt)
        place = number + spaces + 0.5 if number in late else number
        placed.append((place, frame.message))
        if number in repeated:
            placed.append((place + dice.randint(1, DUPLICATE_WITHIN) + 0.25, frame.message))
    placed.sort(key=lambda one: one[0])
    occupied = {voice.device.dev_eui: voice.occupied for voice in street.voices}
    return Traffic(uplinks, [message for _, message in placed], dict(f_cnts), occupied)
