"""`parkstream import`: a CSV file of sites, spaces or devices, and what became of each row.

In: a file as spreadsheets write it. Out: what the gateway's API made of it, part by part, as a table; status 1 when a
row was refused.
"""

import asyncio
import sys
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from parking_contracts.import_commands import ROWS_AT_MOST, RowFate
from parkstream.csv_chunks import Chunk, CsvFile, read_csv
from parkstream.errors import OperatorError
from parkstream.gateway_client import GatewayAwayError, GatewayClient
from parkstream.settings import connections
from parkstream.showing import counting_bar

PATH = "/api/v6/imports"
# The spaces of a part are held while it is taken in: uplinks of their sensors wait for so long.
ROWS_AT_ONCE = 250
ATTEMPTS = 3
SHOWN_AT_MOST = 200
WORDS = {
    False: "created {created:,}, updated {updated:,}, unchanged {unchanged:,}, refused {refused:,}",
    True: "would create {created:,}, update {updated:,}, leave {unchanged:,} as they are, refuse {refused:,}",
}

app = typer.Typer()
console = Console(highlight=False, soft_wrap=True)


class Kind(StrEnum):
    """What a file holds."""

    SITES = "sites"
    SPACES = "spaces"
    DEVICES = "devices"


class OnError(StrEnum):
    """What a refused row does to the others."""

    SKIP = "skip"
    STOP = "stop"


class Report(msgspec.Struct, frozen=True):
    """What became of a part of the file."""

    applied: bool
    rows: list[RowFate]


@app.command("import")
def import_file(
    kind: Annotated[Kind, typer.Argument(help="What the rows describe.")],
    file: Annotated[str, typer.Argument(metavar="FILE", help="A CSV file in UTF-8; - reads standard input.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell every row's fate, and keep nothing.")] = False,
    on_error: Annotated[
        OnError, typer.Option(help="skip: leave refused rows out; stop: end at the first, undoing its part.")
    ] = OnError.SKIP,
    rows_at_once: Annotated[int, typer.Option(min=1, max=ROWS_AT_MOST, help="How many make a part.")] = ROWS_AT_ONCE,
    every_row: Annotated[bool, typer.Option("--every-row", help="List every row, not the refused ones alone.")] = False,
) -> None:
    """Create or update sites, spaces or devices from a CSV file, as `parkstream export` writes it."""
    table = read_csv(_content(file))
    fates = asyncio.run(_import(kind, table, dry_run=dry_run, on_error=on_error, rows_at_once=rows_at_once))
    _show(fates if every_row else [fate for fate in fates if fate.outcome == "refused"])
    counts = dict.fromkeys(("created", "updated", "unchanged", "refused"), 0)
    counts |= Counter(fate.outcome for fate in fates)
    left = len(table.rows) - len(fates)
    tail = f"; {left:,} were not taken" if left else ""
    console.print(f"{kind}: {WORDS[dry_run].format(**counts)}{tail}")
    if counts["refused"]:
        raise typer.Exit(1)


def _content(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise OperatorError(f"{file} cannot be read: {error.strerror}.") from error


async def _import(kind: Kind, table: CsvFile, *, dry_run: bool, on_error: OnError, rows_at_once: int) -> list[RowFate]:
    """Send the parts one after the other; the fates, with the lines of the whole file."""
    fates: list[RowFate] = []
    async with GatewayClient(connections(needs=())) as gateway:
        with counting_bar(console, "trying" if dry_run else "importing", len(table.rows)) as progress:
            for chunk in table.chunks(rows_at_once):
                report = await _send(gateway, kind, chunk, dry_run=dry_run, on_error=on_error)
                tried = zip(report.rows, chunk.lines, strict=False)
                found = [msgspec.structs.replace(fate, line=line) for fate, line in tried]
                progress.advance(progress.task_ids[0], len(chunk.lines))
                if on_error is OnError.STOP and found and found[-1].outcome == "refused":
                    # What came before it in this part is undone.
                    return [*fates, *(found if dry_run else found[-1:])]
                fates += found
    return fates


async def _send(gateway: GatewayClient, kind: Kind, chunk: Chunk, *, dry_run: bool, on_error: OnError) -> Report:
    """One part. Without an answer it is sent again under the same key, and so taken once."""
    key = f"import-{uuid4()}"
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await gateway.post_csv(
                f"{PATH}/{kind}", Report, chunk.body, key=key, dry_run=str(dry_run).lower(), on_error=on_error
            )
        except GatewayAwayError:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _show(fates: list[RowFate]) -> None:
    if not fates:
        return
    table = Table(box=SIMPLE_HEAD)
    table.add_column("line", justify="right", no_wrap=True)
    table.add_column("outcome", no_wrap=True)
    table.add_column("what", overflow="fold")
    for fate in fates[:SHOWN_AT_MOST]:
        what = f"{fate.code}: {fate.message}" if fate.code else str(fate.id)
        table.add_row(str(fate.line), fate.outcome, Text(what))
    console.print(table)
    if len(fates) > SHOWN_AT_MOST:
        console.print(f"... and {len(fates) - SHOWN_AT_MOST:,} more")
