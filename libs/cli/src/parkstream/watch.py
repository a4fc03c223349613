"""`parkstream watch`: the spaces of a tenant, live, in the terminal.

In: the gateway's list of spaces and its stream of events. Out: every space as a square and the latest changes;
without a terminal, one line per change. A lost connection is taken up where it broke off (Last-Event-ID); what the
stream no longer holds is read anew.
"""

import asyncio
import contextlib
import io
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from parkstream.board import Board, Change, ListedSpace, SitePage, SpacePage
from parkstream.errors import OperatorError
from parkstream.gateway_client import GatewayAwayError, GatewayClient
from parkstream.screen import Screen
from parkstream.settings import connections

PAGE = 1_000
RECONNECT_SECONDS = (0.5, 5.0)
REFRESH_PER_SECOND = 5
NETWORK_FONT = re.compile(r"@font-face \{.*?\}|<!--.*?-->", re.DOTALL)

app = typer.Typer()
console = Console(highlight=False)


@app.command()
def watch(
    picture: Annotated[
        Path | None, typer.Option(dir_okay=False, help="At the end, keep what was shown as an SVG file.")
    ] = None,
) -> None:
    """Every space and the latest changes, live, until Ctrl-C."""
    board = Board()
    screen = Screen(board, lambda: datetime.now(UTC))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_show(board, screen) if console.is_terminal else _print_changes(board))
    if picture is not None:
        _save(screen, picture)


async def _show(board: Board, screen: Screen) -> None:
    with Live(screen, console=console, refresh_per_second=REFRESH_PER_SECOND, screen=True):
        await follow(board, lambda _change: None, screen.say)


def _save(screen: Screen, path: Path) -> None:
    """Draw once more, as an SVG that loads nothing from anywhere."""
    paper = Console(record=True, file=io.StringIO(), width=console.width, height=console.height, force_terminal=True)
    paper.print(screen)
    drawing = NETWORK_FONT.sub("", paper.export_svg(title="parkstream watch"))
    try:
        path.write_text(drawing, encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"{path} cannot be written: {error.strerror}.") from error
    console.print(f"The picture is in {path}", markup=False, soft_wrap=True)


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
    board.load(spaces, (await gateway.get("/api/v6/sites", SitePage, limit=PAGE)).items)
