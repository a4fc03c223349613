"""`make bench-displays`: measure how soon displays are told, on a platform started for it alone."""

from typing import Annotated

import typer

from load.command import JsonFile, make_app, run
from load.displays.report import Question
from load.displays.rounds import measure

app = make_app()


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
    json_file: JsonFile = None,
) -> None:
    """Measure the time from a sensor's uplink to the downlink that ChirpStack queues for the space's display.

    On a `parkstream up` of its own and a ChirpStack double in this process. First with the limits of downlinks raised;
    then, with the shipped ones, how long it takes until every display is told after all spaces change at once.
    Everything runs on this machine: leave it alone meanwhile.
    """
    question = Question(
        runs=runs, displays=displays, rate=rate, seconds=seconds, converging=converging, mosquitto=mosquitto
    )
    run(lambda console: measure(question, console), json_file)


if __name__ == "__main__":
    app(prog_name="make bench-displays")
