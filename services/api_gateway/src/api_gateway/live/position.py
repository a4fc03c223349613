"""Where a client stands in the two event streams: `<spaces-seq>.<reservations-seq>`, the id of every event. Pure."""

from __future__ import annotations

import re

from parking_contracts import streams

FOLLOWED = (streams.SPACES, streams.RESERVATIONS)
SPACES, RESERVATIONS = 0, 1
Position = tuple[int, int]
_ID = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")


def parse_position(text: str) -> Position:
    """The position that an event id names.

    Raises:
        ValueError: It is not written `<number>.<number>`.
    """
    match = _ID.fullmatch(text)
    if match is None:
        raise ValueError("expected an event id such as 1042.17")
    return int(match[1]), int(match[2])


def format_position(position: Position) -> str:
    """The event id of a position."""
    return f"{position[0]}.{position[1]}"


def furthest(one: Position, other: Position) -> Position:
    """Both passed: the later place in each stream."""
    return max(one[0], other[0]), max(one[1], other[1])


def moved(position: Position, stream: int, sequence: int) -> Position:
    """The position with one stream's place replaced."""
    return (sequence, position[1]) if stream == SPACES else (position[0], sequence)
