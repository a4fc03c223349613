"""`parkstream restore`: a backup into an empty database and an empty NATS, of anyone's or of this machine's own.

In: a backup. Out: the platform as it was at the backup's moment, ready for its services to be started.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from parkstream import stack
from parkstream.backup.manifest import Manifest, read_manifest
from parkstream.backup.refusals import in_plain_words
from parkstream.backup.restoring import Restoring, known_level, look_at
from parkstream.backup_command import Counting, print_contents, verify_with_bar
from parkstream.embedded import places
from parkstream.errors import OperatorError
from parkstream.migrate import Migration, connect, migrations_dir, read_migrations
from parkstream.run_directory import RunDirectory
from parkstream.settings import StackSettings, read_settings
from parkstream.showing import publishing_bar
from parkstream.streams import connect as connect_nats

app = typer.Typer(add_completion=False)
console = Console(highlight=False, soft_wrap=True)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="The backup: a folder that `parkstream backup` made.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check backup and target; change nothing.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Delete what the target holds (asks before it does).")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --replace: do not ask.")] = False,
    replicas: Annotated[int, typer.Option(min=1, max=5, help="On how many nodes of a cluster NATS keeps it.")] = 1,
) -> None:
    """Put a backup back: into an empty database and NATS, with no service running on them.

    The whole backup is checked first, then the target. The database gets everything in one transaction, committed when
    the streams are filled: after an interrupted restore the target holds no platform, and you begin again. A backup of
    an older version is brought to this one. Afterwards start the services; they go on where the backup was taken, and
    work once more off what had just been worked off then, which changes nothing.

    The target is PARKSTREAM_DATABASE_URL and PARKSTREAM_NATS_URL. For what these do not name, the embedded servers of
    the data directory are started and ended again: `parkstream up` must not run on it.

    Example: parkstream restore /srv/backups/parkstream-20260701T020000Z --dry-run
    """
    settings = read_settings()
    manifest = asyncio.run(verify_with_bar(folder)) if folder.is_dir() else read_manifest(folder)
    migrations = read_migrations(migrations_dir())
    known_level(manifest, migrations)
    print_contents(manifest)
    with _servers(settings) as (database_url, nats_url):
        errand = _Errand(folder, manifest, migrations, replicas)
        asyncio.run(errand.run(database_url, nats_url, dry_run=dry_run, replace=replace, yes=yes))


@contextmanager
def _servers(settings: StackSettings) -> Iterator[tuple[str, str]]:
    """The target's URLs; embedded servers run for as long as the block does."""
    if settings.database_url and settings.nats_url:
        yield settings.database_url, settings.nats_url
        return
    data_dir, _ = settings.place()
    places.make_data_dir(data_dir)
    run = RunDirectory(data_dir)
    run.lock()
    try:
        run.end_leftovers()
        embedded = stack.embedded_servers(settings, data_dir)
        servers = [server for server in (embedded.postgres, embedded.nats) if server is not None]
        try:
            for server in servers:
                server.start()
            database_url = embedded.postgres.url if embedded.postgres else settings.database_url
            nats_url = embedded.nats.login().url if embedded.nats else settings.nats_url
            yield database_url or "", nats_url or ""
        finally:
            for server in reversed(servers):
                server.stop()
    finally:
        run.release()


class _Errand:
    """One restore, from the question to the last word."""

    def __init__(self, folder: Path, manifest: Manifest, migrations: list[Migration], replicas: int) -> None:
        self._folder = folder
        self._manifest = manifest
        self._migrations = migrations
        self._replicas = replicas

    async def run(self, database_url: str, nats_url: str, *, dry_run: bool, replace: bool, yes: bool) -> None:
        connection = await connect(database_url)
        try:
            with in_plain_words(AGAIN):
                client = await connect_nats(nats_url)
                try:
                    target = await look_at(connection, client)
                    if target.is_used and not replace:
                        raise OperatorError(
                            f"The target is not empty: it holds {target.what}.",
                            "Name an empty database and NATS, or delete what is there with --replace.",
                        )
                    if dry_run:
                        console.print(
                            "The backup is whole and would fit the target. Nothing was changed.", style="bold green"
                        )
                        return
                    if target.is_used and not yes:
                        place = database_url.rpartition("@")[2]
                        typer.confirm(f"Delete {target.what} at {place}, for good?", abort=True)
                    with publishing_bar(console, "restoring", None) as progress:
                        told = Counting(progress).add
                        restoring = Restoring(connection, client, self._folder, self._manifest, told)
                        newer = await restoring.run(self._migrations, replicas=self._replicas)
                finally:
                    await client.close()
        finally:
            await connection.close()
        console.print("Everything is back. Start the services now.", style="bold green")
        if newer:
            console.print(f"  brought to this version by {', '.join(newer)}")


AGAIN = "Nothing was restored. Mend it, and restore again."
