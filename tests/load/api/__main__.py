"""`make bench-api`: measure the API of a platform started for it alone."""

from typing import Annotated

import typer

from load.api.report import Question
from load.api.rounds import measure
from load.command import JsonFile, make_app, run
from load.options import Spaces

app = make_app()
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
    spaces: Spaces = 1_000,
    uplinks: Annotated[float, typer.Option(min=1, help="Uplinks per second meanwhile, each a change.")] = 10.0,
    json_file: JsonFile = None,
) -> None:
    """Measure the API: reads, bookings, both, and many who want one slot.

    On a `parkstream up` of its own with the shipped settings, but for the rate limits, which are off. Requests are
    sent when they are due; a latency begins then. Everything, the client included, runs on this machine: leave it alone
    meanwhile. The platform's data is below /var/tmp and removed at the end.
    """
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
    run(lambda console: measure(question, console), json_file)


if __name__ == "__main__":
    app(prog_name="make bench-api")
