"""`make bench-api`: measure the API of a platform started for it alone."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from load.api.report import Question
from load.api.rounds import measure
from parkstream.errors import OperatorError

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)
console = Console(highlight=False)
Rate = Annotated[float, typer.Option(min=1, help="Requests per second.")]


@app.command()
def bench(
    *,
    runs: Annotated[int, typer.Option(min=1, help="How often everything is measured.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long each round lasts.")] = 20.0,
    reads: Rate = 300.0,
    bookings: Rate = 100.0,
    mixed: Rate = 200.0,
    contenders: Annotated[int, typer.Option(min=2, help="Who want the same slot at the same moment.")] = 64,
    rounds: Annotated[int, typer.Option(min=1, help="How often they do, per run.")] = 40,
    spaces: Annotated[int, typer.Option(min=10, help="Spaces, each with a sensor.")] = 1_000,
    uplinks: Annotated[float, typer.Option(min=1, help="Uplinks per second meanwhile, each a change.")] = 10.0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every run's figures here as well.")] = None,
) -> None:
    """Measure the API: reads, bookings, both, and many who want one slot.

    On a `parkstream up` of its own with the shipped settings, but for the rate limits, which are off. Requests are
    sent when they are due; a latency begins then. Everything, the client included, runs on this machine: leave it alone
    meanwhile. The platform's data is below /var/tmp and removed at the end.
    """
    if json_file is not None and not json_file.parent.is_dir():
        console.print(f"--json: {json_file.parent} is no directory.", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2)
    question = Question(
        runs=runs,
        seconds=seconds,
        reads_per_second=reads,
        bookings_per_second=bookings,
        mixed_per_second=mixed,
        contenders=contenders,
        rounds=rounds,
        spaces=spaces,
        uplinks_per_second=uplinks,
    )
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(measure(question, console))
    except OperatorError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    report.print(console)
    if json_file is not None:
        json_file.write_bytes(report.to_json())
        console.print(f"written to {json_file}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    app(prog_name="make bench-api")
