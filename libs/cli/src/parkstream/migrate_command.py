"""`parkstream migrate`: database, streams and consumers brought to this version; nothing to do is fine too."""

import asyncio
from typing import Annotated

import typer
from rich.console import Console

from parkstream.migrate import migrate_database
from parkstream.settings import connections, read_settings
from parkstream.streams import apply_streams

app = typer.Typer(add_completion=False)


@app.command()
def migrate(
    database_url: Annotated[str | None, typer.Option(help="PostgreSQL; also PARKSTREAM_DATABASE_URL.")] = None,
    nats_url: Annotated[
        str | None, typer.Option(help="NATS with JetStream, a cluster's servers separated by commas.")
    ] = None,
    replicas: Annotated[
        int | None,
        typer.Option(
            help="Nodes of a NATS cluster that keep each stream; as it is, or 1, when not given.", min=1, max=5
        ),
    ] = None,
) -> None:
    """Bring database, streams and consumers to this version. Safe to repeat, and to start many at once."""
    settings = read_settings(database_url=database_url, nats_url=nats_url, stream_replicas=replicas)
    found = connections(settings, needs=("database_url", "nats_url"))
    asyncio.run(_migrate(found.database_url, found.nats_url, settings.stream_replicas))


async def _migrate(database_url: str, nats_url: str, replicas: int | None) -> None:
    console = Console(highlight=False)
    applied = await migrate_database(database_url)
    console.print(f"database: {', '.join(applied) or 'up to date'}", markup=False)
    changed = await apply_streams(nats_url, replicas=replicas)
    console.print(f"streams: {', '.join(changed) or 'up to date'}", markup=False)
