"""`make chaos`: a platform of its own is harmed in every way there is, and must have lost nothing."""

import asyncio
import logging
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console

from chaos.report import Report
from chaos.rounds import UPLINKS_PER_SECOND
from chaos.series import Series, run_series
from chaos.world import end_fork_servers
from parkstream.errors import OperatorError

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)
console = Console(highlight=False, soft_wrap=True, stderr=True)


@app.command()
def chaos(
    *,
    seed: Annotated[int, typer.Option(min=0, help="Of the first round; the next ones count on.")] = 1,
    minutes: Annotated[float, typer.Option(min=0.2, help="How long altogether, about.")] = 5.0,
    broker: Annotated[str, typer.Option(help="mosquitto, embedded, or both in turn.")] = "both",
    replicas: Annotated[int, typer.Option(min=0, max=4, help="Of each service; 0: one and two in turn.")] = 0,
    rate: Annotated[float, typer.Option(min=1, max=500, help="Uplinks per second.")] = UPLINKS_PER_SECOND,
    short: Annotated[bool, typer.Option("--short", help="One dense round, as continuous integration runs it.")] = False,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Three NATS nodes and two of every service; nodes come and go.")
    ] = False,
    report: Annotated[Path | None, typer.Option(help="Write FILE.md and FILE.json.", metavar="FILE")] = None,
) -> None:
    """Kill, stop, restart and cut off every part of a platform under load, and look for what was lost.

    Each round is a platform of its own with its own seed: the same seed gives the same load and the same faults.
    Every other round is dense (short faults that overlap), the others wait after each fault until all is caught up
    with, which is measured. Exit status 1 when anything was lost, duplicated, reordered, double-booked, leaked or left
    unresolved. A killed Mosquitto's own loss is reported apart.
    """
    # What clients of a platform under fire say all the time.
    logging.basicConfig(handlers=[logging.NullHandler()])
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    series = Series(
        seed=seed, minutes=minutes, broker=broker, replicas=replicas, rate=rate, short=short, cluster=cluster
    )
    try:
        found = asyncio.run(run_series(series, console, partial(_write, report)))
    except OperatorError as error:
        console.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    finally:
        end_fork_servers()
    sys.stdout.write(found.to_markdown())
    raise typer.Exit(1 if found.has_findings else 0)


def _write(report: Path | None, found: Report) -> None:
    if report is not None:
        report.with_suffix(".md").write_text(found.to_markdown(), encoding="utf-8")
        report.with_suffix(".json").write_bytes(found.to_json())


if __name__ == "__main__":
    app(prog_name="make chaos")
