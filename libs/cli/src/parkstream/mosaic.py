"""Every space of a site as one small square, as a picture that fits a terminal. Pure.

In: the spaces of each site, a width and a height in characters. Out: lines of rich text. A state has a shape as well as
a colour, so that the picture can be read without telling red from green. What does not fit as squares becomes a bar.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from rich.text import Text

from parking_contracts.space import SpaceState
from parkstream.board import ListedSpace

COLOURS = {
    SpaceState.FREE: "green",
    SpaceState.OCCUPIED: "red",
    SpaceState.RESERVED: "yellow",
    SpaceState.MAINTENANCE: "magenta",
    SpaceState.UNKNOWN: "blue",
}
SHAPES = {
    SpaceState.FREE: "□",
    SpaceState.OCCUPIED: "■",
    SpaceState.RESERVED: "▣",
    SpaceState.MAINTENANCE: "×",  # noqa: RUF001  a cross, not the letter
    SpaceState.UNKNOWN: "?",
}
FRESH = "bold bright_white"  # a space that has just changed
CELLS = ("{} ", "{}")  # airy if there is room, dense otherwise

Sites = Mapping[str, Sequence[ListedSpace]]


def legend(counts: Mapping[SpaceState, int]) -> Text:
    """Shape, count and name of each state; what no space is in stays dim."""
    parts = [
        Text(f"{SHAPES[state]} {count:,} {state}", style=COLOURS[state] if count else "dim")
        for state, count in counts.items()
    ]
    return Text("   ", no_wrap=True, overflow="ellipsis").join(parts)


def bar(counts: Mapping[SpaceState, int], width: int) -> Text:
    """The states' shares of `width` characters."""
    total = sum(counts.values())
    line = Text()
    filled = 0
    reached = 0
    for state, count in counts.items():
        reached += count
        end = round(width * reached / total) if total else 0
        line.append("━" * (end - filled), style=COLOURS[state])
        filled = end
    return line


def mosaic(sites: Sites, fresh: Collection[UUID], width: int, height: int) -> list[Text]:
    """At most `height` lines: a title and rows of squares per site, or one bar per site when squares do not fit."""
    for cell in CELLS:
        per_line = max(1, width // len(cell.format(" ")))
        if sum(1 + math.ceil(len(spaces) / per_line) for spaces in sites.values()) <= height:
            return [
                line
                for name, spaces in sites.items()
                for line in (_title(name, spaces), *_squares(spaces, fresh, cell, per_line))
            ]
    shown = list(sites.items())[: height if len(sites) <= height else height - 1]
    lines = [_titled_bar(name, spaces, width) for name, spaces in shown]
    if left := len(sites) - len(shown):
        lines.append(Text(f"and {left:,} more sites", style="dim"))
    return lines


def count_states(spaces: Sequence[ListedSpace]) -> dict[SpaceState, int]:
    """How many spaces are in each state, all five of them."""
    counts = dict.fromkeys(SpaceState, 0)
    for space in spaces:
        counts[space.state] += 1
    return counts


def _title(name: str, spaces: Sequence[ListedSpace]) -> Text:
    free = count_states(spaces)[SpaceState.FREE]
    return Text(name, style="bold", no_wrap=True, overflow="ellipsis").append(
        f"  {free:,} of {len(spaces):,} free", style="not bold dim"
    )


def _squares(spaces: Sequence[ListedSpace], fresh: Collection[UUID], cell: str, per_line: int) -> list[Text]:
    lines = []
    for start in range(0, len(spaces), per_line):
        line = Text(no_wrap=True)
        for space in spaces[start : start + per_line]:
            line.append(SHAPES[space.state], style=FRESH if space.id in fresh else COLOURS[space.state])
            line.append(cell.format(""))
        lines.append(line)
    return lines


def _titled_bar(name: str, spaces: Sequence[ListedSpace], width: int) -> Text:
    title = _title(name, spaces)
    title.truncate(width // 2, overflow="ellipsis", pad=True)
    return title.append(" ").append_text(bar(count_states(spaces), width - width // 2 - 1))
