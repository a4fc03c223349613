"""`parkstream doctor`: looks at everything the platform stands on, and says what is wrong and what to do about it.

Read-only. The exit status is 1 when anything is not well; a platform that does not run is looked at as far as
that goes.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from parkstream.checks import Finding
from parkstream.checks.broker import check_broker
from parkstream.checks.bus import check_bus
from parkstream.checks.database import check_database
from parkstream.checks.machine import check_machine
from parkstream.checks.services import check_services
from parkstream.embedded import ports
from parkstream.errors import OperatorError
from parkstream.settings import StackSettings, connections, read_settings

app = typer.Typer(add_completion=False)


@app.command()
def doctor(
    data_dir: Annotated[Path | None, typer.Option(help="The platform's; also PARKSTREAM_DATA_DIR.")] = None,
) -> None:
    """Check every dependency, and say what is wrong and what to do."""
    findings = asyncio.run(examine(read_settings(data_dir=data_dir)))
    Console(highlight=False).print(as_table(findings))
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)


async def examine(settings: StackSettings) -> list[Finding]:
    """Every finding, those of the machine first."""
    return [*check_machine(settings), *[finding async for finding in _check_platform(settings)]]


async def _check_platform(settings: StackSettings) -> AsyncIterator[Finding]:
    try:
        found = connections(settings)
    except OperatorError as error:
        yield Finding("platform", error.problem, error.remedy)
        return
    embedded_monitor = f"http://{ports.LOOPBACK}:{settings.nats_monitor_port}"
    async for finding in check_database(found.database_url):
        yield finding
    async for finding in check_bus(found.nats_url, None if settings.nats_url else embedded_monitor):
        yield finding
    async for finding in check_broker(found.mqtt_url):
        yield finding
    async for finding in check_services(settings.health_ports()):
        yield finding


def as_table(findings: Iterable[Finding]) -> Table:
    """The findings, one a row; colours only underline what the words say."""
    table = Table("", "what", "state", "remedy", box=None, pad_edge=False)
    for finding in findings:
        mark = Text("ok", style="green") if finding.well else Text("WRONG", style="bold red")
        table.add_row(mark, Text(finding.what), Text(finding.state), Text(finding.remedy))
    return table
