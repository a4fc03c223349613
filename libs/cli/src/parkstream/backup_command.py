"""`parkstream backup`: everything acknowledged, in one folder, while the platform works; and `backup verify`.

In: a running platform's database and NATS. Out: a folder `parkstream-<time>`, there as a whole or not at all.
"""

import asyncio
import os
import shutil
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from parkstream.backup import manifest as manifests
from parkstream.backup.manifest import Manifest
from parkstream.backup.parts import PRIVATE, sync_folder
from parkstream.backup.refusals import in_plain_words
from parkstream.backup.taking import Taking
from parkstream.backup.verifying import verify as verify_backup
from parkstream.errors import OperatorError
from parkstream.migrate import connect as connect_database
from parkstream.settings import Connections, connections
from parkstream.showing import publishing_bar
from parkstream.streams import connect as connect_nats

app = typer.Typer(add_completion=False)
console = Console(highlight=False, soft_wrap=True)


@app.callback(invoke_without_command=True)
def backup(
    ctx: typer.Context,
    into: Annotated[Path, typer.Option(help="The folder that gets the backup as a new folder in it.")] = Path(),
) -> None:
    """Save everything acknowledged into a folder `parkstream-<time>`, while the platform works.

    Saved are all tables of PostgreSQL (every tenant, all history) and what JetStream holds, from one moment. The folder
    is there as a whole or not at all: it is called `.partial` until its last byte is on the disk. It holds password
    hashes, webhook secrets and personal data, and is readable by you alone (mode 0600): keep it so.

    The database is the one of PARKSTREAM_DATABASE_URL, NATS that of PARKSTREAM_NATS_URL; without these, those of the
    `parkstream up` that runs here. Not in it: settings, tokens and certificates (yours), and what the MQTT broker has
    not delivered yet.

    Example: parkstream backup --into /srv/backups && parkstream backup verify /srv/backups/parkstream-...
    """
    if ctx.invoked_subcommand is None:
        found = connections(needs=("database_url", "nats_url"))
        _backup(found, into)


@app.command()
def verify(folder: Annotated[Path, typer.Argument(help="A folder that `parkstream backup` made.")]) -> None:
    """Read a backup through: every file present, undamaged and complete. Needs no database and no NATS."""
    manifest = asyncio.run(verify_with_bar(folder))
    console.print(f"{folder} is whole.", style="bold green")
    print_contents(manifest)


async def verify_with_bar(folder: Path) -> Manifest:
    """The manifest of a backup that is whole; `OperatorError` says what is not."""
    total = sum(part.bytes for part in manifests.read_manifest(folder).parts())
    with publishing_bar(console, "checking the backup", total) as progress:
        return await verify_backup(folder, lambda count: progress.advance(progress.task_ids[0], count))


def print_contents(manifest: Manifest) -> None:
    """What a backup holds, in a few lines."""
    rows = sum(table.part.count for table in manifest.tables)
    messages = sum(stream.part.count for stream in manifest.streams)
    size = sum(part.bytes for part in manifest.parts())
    console.print(f"  of          {manifest.snapshot_at:%Y-%m-%d %H:%M:%S} UTC, Parkstream {manifest.parkstream}")
    console.print(f"  database    {rows:,} rows in {len(manifest.tables)} tables, {manifest.migrations[-1].name}")
    console.print(f"  streams     {messages:,} messages in {len(manifest.streams)} streams")
    console.print(f"  size        {size / (1 << 20):,.1f} MiB")


def _backup(found: Connections, into: Path) -> None:
    began = datetime.now(UTC)
    name = f"parkstream-{began:%Y%m%dT%H%M%SZ}"
    partial, whole = into / f"{name}{manifests.PARTIAL}", into / name
    try:
        into.mkdir(parents=True, exist_ok=True)
        partial.mkdir(mode=0o700)
    except OSError as error:
        raise OperatorError(
            f"{partial} cannot be made: {error.strerror}.", "Name another folder with --into."
        ) from error
    try:
        manifest = asyncio.run(_take(found, partial))
        _complete(partial, whole, manifest)
    except OSError as error:
        raise OperatorError(
            f"The backup could not be written to {into}: {error.strerror or error}.",
            "Make room there, or name another folder with --into. What was begun has been removed.",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    console.print(f"{whole} is complete.", style="bold green")
    print_contents(manifest)
    for left in sorted(into.glob(f"parkstream-*{manifests.PARTIAL}")):
        console.print(f"  {left} was left by a backup that was ended half-way; it can be deleted.", style="yellow")


async def _take(found: Connections, folder: Path) -> Manifest:
    reader = await connect_database(found.database_url)
    try:
        with in_plain_words(TRY_AGAIN):
            holder = await connect_database(found.database_url)
            try:
                client = await connect_nats(found.nats_url)
                try:
                    with publishing_bar(console, "saving", None) as progress:
                        taking = Taking(reader, holder, client, folder, Counting(progress).add)
                        return await taking.take(version("parkstream"))
                finally:
                    await client.close()
            finally:
                await holder.close()
    finally:
        await reader.close()


TRY_AGAIN = "`parkstream doctor` says what is wrong. No backup was made; take it again."


class Counting:
    """What is at work, and how much of it is done, beside a bar."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done: dict[str, int] = {}

    def add(self, what: str, count: int) -> None:
        """`count` more of `what`."""
        self._done[what] = self._done.get(what, 0) + count
        self._progress.update(self._progress.task_ids[0], said=f"{what} {self._done[what]:,}")


def _complete(partial: Path, whole: Path, manifest: Manifest) -> None:
    """Write the manifest, see everything on the disk, and only then give the folder its name."""
    encoded = manifests.encode(manifest)
    for name, data in ((manifests.SUMS, manifests.sums(manifest, encoded).encode()), (manifests.MANIFEST, encoded)):
        with os.fdopen(os.open(partial / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
    for folder in (*(path for path in partial.iterdir() if path.is_dir()), partial):
        sync_folder(folder)
    partial.rename(whole)
    sync_folder(whole.parent)
