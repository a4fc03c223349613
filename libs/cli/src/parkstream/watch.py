"""`parkstream watch`: the spaces of a tenant, live, in the terminal.

In: the gateway's list of spaces and its stream of events. Out: counts per state and a table, the latest changes on top;
without a terminal, one line per change. A lost connection is taken up where it broke off (Last-Event-ID); what the
stream no longer holds is read anew.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from datetime import datetime

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from parking_contracts.space import SpaceState
from parkstream.board import Board, Change, ListedSpace, SpacePage
from parkstream.gateway_client import GatewayAwayError, GatewayClient
from parkstream.settings import connections

PAGE = 1_000
RECONNECT_SECONDS = (0.5, 5.0)
REFRESH_PER_SECOND = 5
FRESH_SECONDS = 3.0
LINES_AROUND_THE_TABLE = 7
COLOURS = {
    SpaceState.FREE: "green",
    SpaceState.OCCUPIED: "red",
    SpaceState.RESERVED: "yellow",
    SpaceState.MAINTENANCE: "dark_orange",
    SpaceState.UNKNOWN: "blue",
}

app = typer.Typer()
console = Console(highlight=False)


@app.command()
def watch() -> None:
    """A live table of the spaces, until Ctrl-C."""
    board = Board()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_show(board) if console.is_terminal else _print_changes(board))


async def _show(board: Board) -> None:
    screen = Screen(board)
    with Live(screen, console=console, refresh_per_second=REFRESH_PER_SECOND, screen=True):
        await follow(board, lambda _change: None, screen.say)


async def _print_changes(board: Board) -> None:
    def print_change(change: Change) -> None:
        space, previous = change.space, change.previous or "?"
        console.print(
            f"{change.at.astimezone():%H:%M:%S} {space.name}: {previous} -> {space.state}", markup=False, soft_wrap=True
        )

    await follow(board, print_change, lambda said: console.print(said, markup=False, soft_wrap=True))


async def follow(board: Board, on_change: Callable[[Change], None], say: Callable[[str], None]) -> None:
    """Keep the board up to date for ever; a gateway that goes away is waited for, one that refuses is an error."""
    async with GatewayClient(connections(needs=())) as gateway:
        await _load(gateway, board)
        pause, last_event_id = RECONNECT_SECONDS[0], ""
        while True:
            try:
                async with gateway.events("/api/v6/events", last_event_id) as events:
                    if not last_event_id:
                        await _load(gateway, board)  # now that the stream has begun, nothing falls in between
                    say(f"connected: {len(board.spaces):,} spaces")
                    pause = RECONNECT_SECONDS[0]
                    async for event in events:
                        last_event_id = event.id or last_event_id
                        if event.type == "reset":
                            await _load(gateway, board)
                        elif (change := board.apply(event)) is not None:
                            on_change(change)
            except GatewayAwayError as error:
                say(f"{error.problem} Trying again.")
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311  jitter, not a secret
            pause = min(pause * 2, RECONNECT_SECONDS[1])


async def _load(gateway: GatewayClient, board: Board) -> None:
    spaces: list[ListedSpace] = []
    while True:
        page = await gateway.get("/api/v6/spaces", SpacePage, limit=PAGE, offset=len(spaces))
        spaces += page.items
        if not page.items or len(spaces) >= page.total:
            break
    board.load(spaces)


class Screen:
    """The board as rich draws it, as many rows as fit."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._said = "connecting"

    def say(self, text: str) -> None:
        """The state of the connection."""
        self._said = text

    def __rich__(self) -> Group:
        counts = Text("  ").join(
            Text(f" {state} {count:,} ", style=f"bold white on {COLOURS[state]}")
            for state, count in self._board.counts().items()
        )
        status = Text(f"{self._said}; {self._board.changes:,} changes seen", style="dim")
        return Group(Text("Parkstream", style="bold"), counts, status, self._table())

    def _table(self) -> Table:
        table = Table("space", "code", "zone", "kind", "state", "by", "since", "changed", expand=True)
        now = datetime.now().astimezone()
        for space, change in self._board.latest(max(1, console.height - LINES_AROUND_THE_TABLE)):
            fresh = change is not None and (now - change.at).total_seconds() < FRESH_SECONDS
            state = Text(f"● {space.state}", style=COLOURS[space.state])
            if change is not None and change.previous is not None:
                state.append(f"  was {change.previous}", style="dim")
            since = f"{space.state_since.astimezone():%d %b %H:%M:%S}"
            changed = f"{change.at.astimezone():%H:%M:%S}" if change else ""
            style = "bold" if fresh else ""
            table.add_row(
                space.name,
                space.code,
                space.zone or "",
                space.kind,
                state,
                space.state_layer,
                since,
                changed,
                style=style,
            )
        return table
