"""`make bench-displays`: measure how soon displays are told, on a platform started for it alone."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from load.displays.report import Question
from load.displays.rounds import measure
from parkstream.errors import OperatorError

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)
console = Console(highlight=False)


@app.command()
def bench(
    *,
    runs: Annotated[int, typer.Option(min=1, help="How often the latency is measured.")] = 3,
    displays: Annotated[int, typer.Option(min=10, help="Spaces, each with a sensor and a display.")] = 500,
    rate: Annotated[float, typer.Option(min=1, help="Changes per second.")] = 200.0,
    seconds: Annotated[float, typer.Option(min=1, help="How long each run lasts.")] = 20.0,
    converging: Annotated[int, typer.Option(min=0, help="Displays told at once at the default limits; 0: none.")] = 300,
    mosquitto: Annotated[
        bool, typer.Option("--mosquitto", help="Mosquitto as the broker, as beside ChirpStack.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every run's figures here as well.")] = None,
) -> None:
    """Measure the time from a sensor's uplink to the downlink that ChirpStack queues for the space's display.

    On a `parkstream up` of its own and a ChirpStack double in this process. First with the limits of downlinks raised;
    then, with the shipped ones, how long it takes until every display is told after all spaces change at once.
    Everything runs on this machine: leave it alone meanwhile.
    """
    if json_file is not None and not json_file.parent.is_dir():
        console.print(f"--json: {json_file.parent} is no directory.", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2)
    question = Question(
        runs=runs, displays=displays, rate=rate, seconds=seconds, converging=converging, mosquitto=mosquitto
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
    app(prog_name="make bench-displays")
