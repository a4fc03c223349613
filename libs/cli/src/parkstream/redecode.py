"""`parkstream redecode`: stored payloads read again with today's codecs, and what depends on them mended.

In: one device or all of them. Out: one `device.redecode` command each, and the sum of what changed.
"""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from parking_contracts.device import parse_eui
from parking_contracts.device_commands import Redecode, Redecoded
from parking_simulator.commands import CommandClient
from parkstream import queries
from parkstream.errors import OperatorError
from parkstream.migrate import connect as connect_database
from parkstream.platform_access import command_client, find_tenant, plain_words
from parkstream.settings import Connections, connections
from parkstream.showing import counting_bar

SECONDS_PER_DEVICE = 120.0
DEVICES_AT_ONCE = 4

app = typer.Typer()
console = Console(highlight=False, soft_wrap=True)


@app.command()
def redecode(
    *,
    device: Annotated[str | None, typer.Option(help="DevEUI, in any notation.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every device of the tenant.")] = False,
    since: Annotated[datetime | None, typer.Option(help="Only what was received from then on (UTC).")] = None,
    tenant: Annotated[str | None, typer.Option(help="Id or name; the only one when not given.")] = None,
) -> None:
    """Decode stored readings again, with a corrected codec; stays and states follow."""
    if (device is None) == (not everything):
        raise OperatorError("Say which devices.", "Give either --device DEVEUI or --all.")
    asyncio.run(_redecode(connections(), _eui(device), since.replace(tzinfo=UTC) if since else None, tenant))


def _eui(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return parse_eui(text)
    except ValueError as error:
        raise OperatorError(f"--device: {error}.") from error


async def _redecode(found: Connections, device: str | None, since: datetime | None, tenant: str | None) -> None:
    tenant_id = await find_tenant(found, tenant)
    if device is not None:
        euis = [device]
    else:
        connection = await connect_database(found.database_url)
        try:
            with plain_words():
                euis = await queries.device_euis(connection, tenant_id)
        finally:
            await connection.close()
    async with command_client(found, tenant_id, "redecode", timeout_seconds=SECONDS_PER_DEVICE) as client:
        done = await _ask_for_all(client, euis, since)
    readings, changed = sum(one.readings for one in done), sum(one.changed for one in done)
    stays = sum(one.stays_changed for one in done)
    console.print(
        f"{len(euis):,} devices, {readings:,} readings read again: {changed:,} now say something else, "
        f"{stays:,} stays were written anew"
    )


async def _ask_for_all(client: CommandClient, euis: list[str], since: datetime | None) -> list[Redecoded]:
    """One command per device, some at a time; the first refusal ends it."""
    done: list[Redecoded] = []
    queue = iter(euis)
    with counting_bar(console, "decoding again", len(euis)) as progress:

        async def work() -> None:
            for eui in queue:
                done.append(await client.ask(Redecode(dev_eui=eui, since=since), Redecoded))
                progress.advance(progress.task_ids[0])

        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(DEVICES_AT_ONCE):
                    workers.create_task(work())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures  # the workers fail alike: one reason is enough
    return done
