"""`make bench`: measure latency, throughput, memory and CPU of a platform started for it alone."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from load.figures import Question
from load.rounds import measure
from parkstream.errors import OperatorError

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)
console = Console(highlight=False)


@app.command()
def bench(
    *,
    runs: Annotated[int, typer.Option(min=1, help="How often everything is measured.")] = 3,
    uplinks: Annotated[int, typer.Option(min=100, help="Size of the burst.")] = 50_000,
    changing: Annotated[float, typer.Option(min=0, max=1, help="Share of the burst that changes a state.")] = 0.2,
    rate: Annotated[float, typer.Option(min=1, help="Uplinks per second while latency is measured.")] = 500.0,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long latency is measured, per run.")] = 20.0,
    spaces: Annotated[int, typer.Option(min=10, help="Spaces, each with a sensor.")] = 1_000,
    mosquitto: Annotated[
        bool, typer.Option("--mosquitto", help="A Mosquitto (MQTT 5) as broker instead of the embedded listener.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every run's figures here as well.")] = None,
) -> None:
    """Measure what the platform bears, on a `parkstream up` of its own with the shipped settings.

    Each run measures, first, how long a change takes from the MQTT publish to a client of the event stream, while
    --rate uplinks a second come in and every one of them changes a space; second, how fast a burst of --uplinks is
    worked off, from the first publish to the last committed reading and published change. CPU and memory are those
    of the burst. The runs share one platform, and a short unmeasured one comes first.

    Everything, the publisher included, runs on this machine: leave it alone meanwhile. The platform's data is below
    /var/tmp and removed at the end.
    """
    if json_file is not None and not json_file.parent.is_dir():
        console.print(f"--json: {json_file.parent} is no directory.", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2)
    question = Question(
        runs=runs,
        uplinks=uplinks,
        changing=changing,
        rate=rate,
        seconds=seconds,
        spaces=spaces,
        mosquitto=mosquitto,
    )
    try:
        figures = asyncio.run(measure(question, console))
    except OperatorError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    figures.print(console)
    if json_file is not None:
        json_file.write_bytes(figures.to_json())
        console.print(f"written to {json_file}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    app(prog_name="make bench")
