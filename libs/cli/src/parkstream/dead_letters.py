"""`parkstream dead-letters list|show|replay`: what could not be processed, why, and another try.

In: the gateway's API for dead letters. Out: a table, one letter with its body, or messages on their way again.
"""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from parkstream.errors import OperatorError
from parkstream.gateway_client import GatewayAwayError, GatewayClient
from parkstream.settings import connections
from parkstream.showing import counting_bar

PATH = "/api/v6/dead-letters"
PAGE = 200
HEX_WIDTH = 32
SHOWN_BODY_BYTES = 4_096

app = typer.Typer(no_args_is_help=True, help="List, show and replay what could not be processed.")
console = Console(highlight=False, soft_wrap=True)


class ListedLetter(msgspec.Struct, frozen=True):
    """A dead letter without its body."""

    id: int
    code: str
    service: str
    detail: str
    origin: str
    address: str
    source: str
    received_at: datetime
    failed_at: datetime
    attempts: int
    size_bytes: int
    truncated: bool


class LetterPage(msgspec.Struct, frozen=True):
    """Dead letters, newest first."""

    total: int
    items: list[ListedLetter]
    next_cursor: int | None = None


class Letter(ListedLetter, frozen=True):
    """A dead letter with its body, or the beginning of it."""

    sha256: str
    body_base64: str
    body_text: str | None = None


class Replayed(msgspec.Struct, frozen=True):
    """Where the message went."""

    subject: str


@app.command("list")
def list_letters(
    *,
    service: Annotated[str | None, typer.Option(help="Only those that this service gave up.")] = None,
    code: Annotated[str | None, typer.Option(help="Only those with this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=PAGE, help="The newest so many.")] = 50,
) -> None:
    """The newest dead letters."""
    page = asyncio.run(_page(service, code, limit))
    if not page.items:
        console.print("no dead letters")
        return
    table = Table(box=SIMPLE_HEAD)
    for column in ("id", "failed at", "reason"):
        table.add_column(column, no_wrap=True)
    table.add_column("what", overflow="fold")
    for letter in page.items:
        failed_at = f"{letter.failed_at.astimezone():%m-%d %H:%M:%S}"
        what = Text(f"{letter.detail}\n").append(f"{letter.address}, {letter.size_bytes:,} bytes", style="dim")
        table.add_row(str(letter.id), failed_at, f"{letter.code}\n[dim]{letter.service}[/dim]", what)
    console.print(table)
    if page.total > len(page.items):
        console.print(f"{len(page.items)} of {page.total:,}")


@app.command()
def show(letter_id: Annotated[int, typer.Argument(metavar="ID", min=1)]) -> None:
    """One dead letter with its body."""
    letter = asyncio.run(_letter(letter_id))
    for name in ("id", "code", "service", "detail", "origin", "address", "source", "received_at", "failed_at"):
        console.print(f"{name + ':':14}{getattr(letter, name)}", markup=False)
    console.print(f"{'attempts:':14}{letter.attempts}")
    kept = " (only its beginning was kept)" if letter.truncated else ""
    console.print(f"{'size:':14}{letter.size_bytes:,} bytes{kept}, SHA-256 {letter.sha256}\n", markup=False)
    body = letter.body_text if letter.body_text is not None else hex_dump(base64.b64decode(letter.body_base64))
    console.print(body, markup=False)


@app.command()
def replay(
    letter_id: Annotated[int | None, typer.Argument(metavar="ID", min=1)] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every one that there is now, the oldest first.")] = False,
    service: Annotated[str | None, typer.Option(help="With --all: only those of this service.")] = None,
    code: Annotated[str | None, typer.Option(help="With --all: only those with this reason.")] = None,
) -> None:
    """Send a message on its way again; should it fail again, it comes back under a new id."""
    if (letter_id is None) == (not everything):
        raise OperatorError("Say which dead letters.", "Give either an ID or --all.")
    refused = asyncio.run(_replay(letter_id, service, code))
    if refused:
        raise typer.Exit(1)


async def _page(service: str | None, code: str | None, limit: int) -> LetterPage:
    async with GatewayClient(connections(needs=())) as gateway:
        return await gateway.get(PATH, LetterPage, service=service, code=code, limit=limit)


async def _letter(letter_id: int) -> Letter:
    async with GatewayClient(connections(needs=())) as gateway:
        return await gateway.get(f"{PATH}/{letter_id}", Letter)


async def _replay(letter_id: int | None, service: str | None, code: str | None) -> int:
    """Replay one, or all that exist now; how many were refused."""
    refused = 0
    async with GatewayClient(connections(needs=())) as gateway:
        if letter_id is not None:
            done = await gateway.post(f"{PATH}/{letter_id}/replay", Replayed)
            console.print(f"{letter_id} is on its way again as {done.subject}", markup=False)
            return 0
        ids = sorted([letter.id async for letter in _all_letters(gateway, service, code)])
        with counting_bar(console, "replaying", len(ids)) as progress:
            for each in ids:
                try:
                    await gateway.post(f"{PATH}/{each}/replay", Replayed)
                except GatewayAwayError:
                    raise
                except OperatorError as error:
                    refused += 1
                    console.print(f"{each}: {error.problem}", markup=False)
                progress.advance(progress.task_ids[0])
    console.print(f"{len(ids) - refused:,} are on their way again, {refused:,} were refused")
    return refused


async def _all_letters(gateway: GatewayClient, service: str | None, code: str | None) -> AsyncIterator[ListedLetter]:
    cursor = None
    while True:
        page = await gateway.get(PATH, LetterPage, service=service, code=code, limit=PAGE, cursor=cursor)
        for letter in page.items:
            yield letter
        cursor = page.next_cursor
        if cursor is None:
            return


def hex_dump(body: bytes) -> str:
    """Offset, hex digits and printable characters, at most 4 KiB of them."""
    lines = []
    for offset in range(0, min(len(body), SHOWN_BODY_BYTES), HEX_WIDTH):
        part = body[offset : offset + HEX_WIDTH]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{offset:06x}  {part.hex(' '):<{HEX_WIDTH * 3}} {text}")
    if len(body) > SHOWN_BODY_BYTES:
        lines.append(f"... and {len(body) - SHOWN_BODY_BYTES:,} bytes more")
    return "\n".join(lines)
