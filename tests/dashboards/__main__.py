"""`make dashboards`: a demo city with a real Prometheus beside it, and what every panel of the dashboards then shows.

With --prometheus URL it asks a Prometheus that runs already, and starts nothing.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from dashboards.prometheus_server import Prometheus, prometheus_beside
from dashboards.queries import MAY_BE_EMPTY, Query, panel_queries
from parkstream.checks.services import ask_ready
from parkstream.embedded import child, ports
from parkstream.errors import OperatorError
from parkstream.settings import StackSettings, read_settings
from stack.servers import scratch_directory

PORTS = tuple(name for name in StackSettings.model_fields if name.endswith("_port"))
START_SECONDS = 120.0
STOP_STEPS = ((signal.SIGTERM, 20.0),)

app = typer.Typer(add_completion=False)


@app.command()
def show(
    *,
    seconds: Annotated[float, typer.Option(min=5, help="How long the city lives before the panels are asked.")] = 60.0,
    prometheus: Annotated[str | None, typer.Option(help="Ask this Prometheus, and start nothing.")] = None,
) -> None:
    """Evaluate every panel of every dashboard, and fail when one has no data."""
    raise typer.Exit(asyncio.run(_show(Console(soft_wrap=True), seconds, prometheus)))


async def _show(console: Console, seconds: float, url: str | None) -> int:
    if url is not None:
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client:
            return await _report(console, Prometheus(client), "1m")
    async with _demo_city() as targets, prometheus_beside(targets) as prometheus:
        console.print(f"A demo city runs, and Prometheus looks at it for {seconds:.0f} s.")
        await asyncio.sleep(seconds)
        return await _report(console, prometheus, "30s")


@asynccontextmanager
async def _demo_city() -> AsyncIterator[Mapping[str, str]]:
    """`parkstream up --demo` on free ports and a data directory of its own; the address of each service."""
    home = scratch_directory("dashboards")
    try:
        settings = read_settings(data_dir=home / "data", **{name: ports.free_port() for name in PORTS})
        process = _start(home, settings)
        try:
            await _ready(home, settings, process)
            yield {name: f"127.0.0.1:{port}" for name, port in settings.health_ports().items()}
        finally:
            child.stop_process(process, STOP_STEPS)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _start(home: Path, settings: StackSettings) -> subprocess.Popen[bytes]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PARKSTREAM_")}
    own = {f"PARKSTREAM_{name.upper()}": str(getattr(settings, name)) for name in PORTS}
    with (home / "output.txt").open("ab") as output:
        return subprocess.Popen(
            [*child.dying_with_us(signal.SIGTERM), sys.executable, "-P", "-m", "parkstream.main", "up", "--demo"],
            env={**inherited, **own, "PARKSTREAM_DATA_DIR": str(settings.data_dir)},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


async def _ready(home: Path, settings: StackSettings, process: subprocess.Popen[bytes]) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=2) as client, asyncio.timeout(START_SECONDS):
        while any([await ask_ready(client, port) for port in settings.health_ports().values()]):
            if process.poll() is not None:
                raise OperatorError(f"`parkstream up` ended:\n{child.last_lines(home / 'output.txt', 20)}")
            await asyncio.sleep(0.2)


async def _report(console: Console, prometheus: Prometheus, window: str) -> int:
    """Print a table per dashboard and the alerts; 1 when a panel is empty."""
    queries = panel_queries()
    empty = 0
    for name in dict.fromkeys(query.where for query in queries):
        table = Table("panel", "series", "values", title=name, box=SIMPLE_HEAD)
        for query in (one for one in queries if one.where == name):
            values = await _values(prometheus, query, window)
            empty += not values and query.title not in MAY_BE_EMPTY
            table.add_row(query.title, str(len(values)), ", ".join(values[:6]) or "[red]no data[/]")
        console.print(table)
    rules = await prometheus.rules()
    pending = [f"{rule['name']} ({rule['state']})" for rule in rules if rule["state"] != "inactive"]
    console.print(f"Alerts: {len(rules)} rules; not quiet: {', '.join(pending) or 'none'}")
    console.print(f"{len(queries)} questions, {empty} without data.")
    return 1 if empty else 0


async def _values(prometheus: Prometheus, query: Query, window: str) -> list[str]:
    return [
        f"{' '.join(one['metric'][label] for label in query.legend if label in one['metric'])} "
        f"{float(one['value'][1]):.4g}".strip()
        for one in await prometheus.ask(query.over(window))
    ]


if __name__ == "__main__":
    app()
