"""`parkstream export`: all sites, spaces or devices of the tenant as CSV, to standard output or a file.

The gateway's answer goes through as it comes; `parkstream import` takes it back and finds every row unchanged.
"""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from parkstream.errors import OperatorError
from parkstream.gateway_client import GatewayClient
from parkstream.import_command import Kind
from parkstream.settings import connections

PATH = "/api/v6/exports"

app = typer.Typer()


@app.command("export")
def export_all(
    kind: Annotated[Kind, typer.Argument(help="What to write out.")],
    *,
    output: Annotated[Path | None, typer.Option(help="A file instead of standard output.")] = None,
) -> None:
    """Write all sites, spaces or devices as CSV.

    A text that a spreadsheet would execute as a formula has an apostrophe before it; an import takes it off again.
    """
    if output is None:
        asyncio.run(_export(kind, sys.stdout.buffer))
        return
    try:
        with output.open("wb") as file:
            asyncio.run(_export(kind, file))
    except OSError as error:
        raise OperatorError(f"{output} cannot be written: {error.strerror}.") from error


async def _export(kind: Kind, target: BinaryIO) -> None:
    async with GatewayClient(connections(needs=())) as gateway, gateway.download(f"{PATH}/{kind}") as parts:
        async for part in parts:
            target.write(part)
    target.flush()
