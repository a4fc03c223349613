"""`make bench-peers`: the same uplinks through the platform and through Node-RED, in the same run."""

from typing import Annotated

import typer

from load.command import JsonFile, make_app, run
from load.options import UPLINK_BYTES, Burst, Spaces
from load.peers.report import Question
from load.peers.rounds import compare
from load.traffic import Mix

app = make_app()


@app.command()
def bench(
    *,
    runs: Annotated[int, typer.Option(min=1, help="How often both are measured.")] = 3,
    uplinks: Burst = 100_000,
    spaces: Spaces = 10_000,
    json_file: JsonFile = None,
) -> None:
    """Compare with Node-RED: MQTT in, a function node, one INSERT per uplink through the `pg` driver.

    Needs Mosquitto, Node.js and npm; Node-RED is installed into .tools/node-red from the lock in this folder.
    """
    question = Question(runs=runs, uplinks=uplinks, uplink_bytes=UPLINK_BYTES, mix=Mix(), spaces=spaces)
    run(lambda console: compare(question, console), json_file)


if __name__ == "__main__":
    app(prog_name="make bench-peers")
