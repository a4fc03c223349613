"""Where a client stands in the two event streams: `<spaces-seq>.<reservations-seq>`, the id of every event. Pure.

After a restore from a backup an id names that restore as well, `<spaces-seq>.<reservations-seq>.<restore>`: the streams
ended earlier then, and what a client heard beyond that end did not happen here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from parking_contracts import streams

FOLLOWED = (streams.SPACES, streams.RESERVATIONS)
SPACES, RESERVATIONS = 0, 1
Position = tuple[int, int]
EVENT_ID = r"^[0-9]{1,18}\.[0-9]{1,18}(\.[0-9]{1,18})?$"
_ID = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})(?:\.([0-9]{1,18}))?")
NEVER = 0


@dataclass(frozen=True, slots=True)
class Restore:
    """A restore by its number, and where it left the streams."""

    number: int
    end: Position


@dataclass(frozen=True, slots=True)
class Place:
    """A position that a client named. `is_undone`: beyond it he heard what a restore took back."""

    position: Position
    is_undone: bool = False


class EventIds:
    """Event ids of a platform that has been through these restores, the oldest first."""

    def __init__(self, restores: Sequence[Restore] = ()) -> None:
        self._restores = tuple(restores)
        self._suffix = f".{restores[-1].number}" if restores else ""

    def of(self, position: Position) -> str:
        """The event id of a position."""
        return f"{position[0]}.{position[1]}{self._suffix}"

    def read(self, text: str) -> Place:
        """The place that an event id names, which is never beyond a restore's end that its client did not see.

        Raises:
            ValueError: It is not written as an event id.
        """
        match = _ID.fullmatch(text)
        if match is None:
            raise ValueError("expected an event id such as 1042.17")
        named, restore = (int(match[1]), int(match[2])), int(match[3] or NEVER)
        if restore not in {NEVER, *(one.number for one in self._restores)}:  # of a time that was undone as a whole
            return Place(self._restores[-1].end if self._restores else named, is_undone=True)
        position = named
        for unseen in (one for one in self._restores if one.number > restore):
            position = min(position[0], unseen.end[0]), min(position[1], unseen.end[1])
        return Place(position, is_undone=position != named)


def furthest(one: Position, other: Position) -> Position:
    """Both passed: the later place in each stream."""
    return max(one[0], other[0]), max(one[1], other[1])


def moved(position: Position, stream: int, sequence: int) -> Position:
    """The position with one stream's place replaced."""
    return (sequence, position[1]) if stream == SPACES else (position[0], sequence)
