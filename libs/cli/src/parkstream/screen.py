"""What `watch` draws: shares, every space as a square, and the latest changes, as many as fit the terminal. Pure.

In: the board, the size of the terminal, the time. Out: something rich can print.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table
from rich.text import Text

from parkstream.board import Board, Change
from parkstream.mosaic import COLOURS, SHAPES, bar, legend, mosaic

FRESH = timedelta(seconds=2)
HEAD_LINES = 4  # name, bar, legend, a blank line
TABLE_HEAD_LINES = 3  # a blank line, titles, a rule
NARROW = 90  # below, two columns stay away
FEWEST_CHANGES = 5
# Width of each column in characters; the names of spaces take what is left.
COLUMNS = {"at": 8, "space": None, "kind": 10, "state": 13, "was": 11, "for": 10, "by": 9}
LEFT_AWAY = {"kind", "by"}
NO_SPACES = "There are no spaces yet. A fictional city makes some: parkstream simulate --demo"


class Screen:
    """The board as rich draws it; drawn anew at each refresh."""

    def __init__(self, board: Board, now: Callable[[], datetime]) -> None:
        self._board = board
        self._now = now
        self._said = "connecting"

    def say(self, text: str) -> None:
        """The state of the connection."""
        self._said = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.height or options.size.height
        board = self._board
        yield self._head(width)
        counts = board.counts()
        yield bar(counts, width)
        yield legend(counts)
        if not board.spaces:
            yield Text(f"\n{NO_SPACES}" if board.loaded else "")
            return
        room = height - HEAD_LINES - TABLE_HEAD_LINES
        picture = mosaic(board.by_site(), board.changed_since(self._now() - FRESH), width, room - FEWEST_CHANGES)
        yield Group("", *picture, "")
        yield self._changes(max(1, room - len(picture)), width)

    def _head(self, width: int) -> Text:
        head = Text("Parkstream", style="bold", no_wrap=True, overflow="ellipsis")
        status = f"{self._said}, {self._board.changes:,} changes seen, Ctrl-C ends"
        return head.append(f"{status:>{max(0, width - len(head))}}", style="not bold dim")

    def _changes(self, limit: int, width: int) -> Table:
        table = Table(box=SIMPLE_HEAD, expand=True, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        wide = width >= NARROW
        for name, size in COLUMNS.items():
            if wide or name not in LEFT_AWAY:
                table.add_column(name, width=size, ratio=None if size else 1, no_wrap=True, header_style="dim")
        for change in self._board.latest(limit):
            cells = [cell for name, cell in _cells(change).items() if wide or name not in LEFT_AWAY]
            table.add_row(*cells, style="bold" if self._now() - change.at < FRESH else "")
        return table


def _cells(change: Change) -> dict[str, Text]:
    space, since = change.space, change.previous_since
    return {
        "at": Text(f"{change.at.astimezone():%H:%M:%S}"),
        "space": Text(space.name),
        "kind": Text(space.kind),
        "state": Text(f"{SHAPES[space.state]} {space.state}", style=COLOURS[space.state]),
        "was": Text(change.previous or "", style="dim"),
        "for": Text(duration(space.state_since - since) if since else "", style="dim"),
        "by": Text(space.state_layer),
    }


def duration(span: timedelta) -> str:
    """`42 s`, `7 min`, `3 h 05 min` or `2 d`; nothing for a span that runs backwards."""
    seconds = int(span.total_seconds())
    if seconds < 0:
        return ""
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60:02} min" if hours < 48 else f"{hours // 24} d"
