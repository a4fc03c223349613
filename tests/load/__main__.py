"""`make bench`: measure throughput, latency, memory and CPU of a platform started for it alone."""

from typing import Annotated

import typer

from load.command import JsonFile, make_app, run
from load.figures import Question
from load.options import UPLINK_BYTES, Burst, Changing, Spaces
from load.rounds import measure
from load.running_platform import Broker
from load.traffic import Mix

app = make_app()


@app.command()
def bench(
    *,
    runs: Annotated[int, typer.Option(min=1, help="How often everything is measured.")] = 3,
    uplinks: Burst = 200_000,
    uplink_bytes: Annotated[
        int, typer.Option("--bytes", min=UPLINK_BYTES, help="Size of each uplink's JSON.")
    ] = UPLINK_BYTES,
    changing: Changing = 0.2,
    duplicates: Annotated[float, typer.Option(min=0, max=1, help="Share that is delivered again.")] = 0.02,
    late: Annotated[float, typer.Option(min=0, max=1, help="Share that comes after its successor.")] = 0.01,
    rate: Annotated[float, typer.Option(min=1, help="Uplinks per second while latency is measured.")] = 1_000.0,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long latency is measured, per run.")] = 20.0,
    spaces: Spaces = 10_000,
    broker: Annotated[
        list[Broker] | None, typer.Option(help="One platform for each that is named [default: mosquitto].")
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Sample the functions of ingestor and engine; costs some per cent.")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Measure what the platform bears, on a `parkstream up` of its own with the shipped settings.

    Each run measures how long a change takes from the MQTT publish to a client of the event stream, while --rate
    uplinks a second come in; then how fast --uplinks are worked off, from the first to the last committed reading and
    published event: once from the broker's queue, where they wait before the ingestor is let go, and once beside the
    publisher. Everything sent is then looked for in the database. CPU and memory are those of the bursts. The runs
    share one platform, and a short unmeasured one comes first.

    Everything, the publisher included, runs on this machine: leave it alone meanwhile. The platform's data is below
    /var/tmp and removed at the end.
    """
    question = Question(
        runs=runs,
        uplinks=uplinks,
        uplink_bytes=uplink_bytes,
        mix=Mix(changing, duplicates, late),
        rate=rate,
        seconds=seconds,
        spaces=spaces,
        brokers=tuple(broker or [Broker.MOSQUITTO]),
        profile=profile,
    )
    run(lambda console: measure(question, console), json_file)


if __name__ == "__main__":
    app(prog_name="make bench")
