"""`make bench-scale`: what an uplink costs in a small and empty platform, and in a large one with a past.

In: spaces and stored readings of the large one. Out: CPU microseconds per uplink, drain rate, and the ratio of each.
The past is written into the database (`filling`); everything else is as in `make bench`, from the broker's queue.
"""

import shutil
import statistics
from dataclasses import dataclass, field
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from load.bars import burst_bar
from load.command import JsonFile, make_app, run
from load.drain import Drain, Drained
from load.figures import as_json, machine, shown
from load.filling import insert_readings
from load.options import UPLINK_BYTES
from load.prepared import prepared
from load.running_platform import Broker
from load.street import Street
from load.traffic import Mix, make_traffic
from parkstream.errors import OperatorError
from parkstream.showing import counting_bar

BYTES_PER_READING = 220  # with its index entry
BYTES_BESIDES = 4 << 30  # the write-ahead log, NATS and Mosquitto
DATA_BELOW = "/var/tmp"
GIB = 1 << 30
WARM_UP_SHARE = 0.2
app = make_app()


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked for."""

    runs: int
    uplinks: int
    uplink_bytes: int
    mix: Mix
    small_spaces: int
    large_spaces: int
    readings: int
    days: int


@dataclass
class Side:
    """One platform, a list entry per run: CPU in microseconds per uplink, by process."""

    spaces: int
    readings: int
    per_second: list[float] = field(default_factory=list)
    cpu_us_per_uplink: dict[str, list[float]] = field(default_factory=dict)

    def add(self, drained: Drained) -> None:
        """One run."""
        self.per_second.append(drained.per_second)
        for name, seconds in drained.cpu_seconds.items():
            self.cpu_us_per_uplink.setdefault(name, []).append(seconds * 1e6 / drained.uplinks)

    def together(self) -> list[float]:
        """All processes, per run."""
        return [sum(run) for run in zip(*self.cpu_us_per_uplink.values(), strict=True)]


@dataclass
class Comparison:
    """The report."""

    question: Question
    small: Side
    large: Side

    @property
    def ratio(self) -> float:
        """CPU per uplink, large to small."""
        return statistics.median(self.large.together()) / statistics.median(self.small.together())

    def to_json(self) -> bytes:
        """Everything."""
        return as_json(self.question, ratio=self.ratio, small=self.small, large=self.large)

    def print(self, console: Console) -> None:
        """A column per side."""
        table = Table("what", *(f"{side.spaces:,} spaces" for side in (self.small, self.large)), "ratio")
        sides = (self.small, self.large)
        table.add_row("stored readings before", *(f"{side.readings:,}" for side in sides), "")
        table.add_row(*_row("drained", *(side.per_second for side in sides), "uplinks/s", 0))
        table.add_row(*_row("CPU per uplink, together", *(side.together() for side in sides), "us", 1))
        for name in sorted(self.small.cpu_us_per_uplink):
            table.add_row(*_row(name, *(side.cpu_us_per_uplink[name] for side in sides), "us", 1))
        console.print(table)
        asked = self.question
        console.print(
            f"Medians of {asked.runs} (and range) on {machine()}; {asked.uplinks:,} uplinks of {asked.uplink_bytes} "
            f"bytes, {asked.mix.changing:.0%} changing a state, from Mosquitto's queue. "
            f"An uplink costs {self.ratio:.2f} x as much CPU.",
            style="dim",
        )


def _row(what: str, small: list[float], large: list[float], unit: str, digits: int) -> tuple[str, str, str, str]:
    cells = [f"{middle} ({spread})" for middle, spread in (shown(runs, unit, digits=digits) for runs in (small, large))]
    before, after = statistics.median(small), statistics.median(large)
    return (what, *cells, f"{after / before:.2f}" if before else "")


async def compare(question: Question, console: Console) -> Comparison:
    """Both sides, one after the other."""
    needed = question.readings * BYTES_PER_READING + BYTES_BESIDES
    free = shutil.disk_usage(DATA_BELOW).free
    console.print(f"About {needed / GIB:.1f} GiB are needed below {DATA_BELOW}; {free / GIB:.1f} GiB are free.")
    if free < needed:
        raise OperatorError(f"That is not enough space below {DATA_BELOW}.", "Make room, or ask for fewer --readings.")
    small = await _measure(question, Side(question.small_spaces, 0), console)
    large = await _measure(question, Side(question.large_spaces, question.readings), console)
    return Comparison(question, small, large)


async def _measure(question: Question, side: Side, console: Console) -> Side:
    said = f"{side.spaces:,} spaces"
    async with prepared(Broker.MOSQUITTO, side.spaces, question.uplink_bytes, console) as (drain, street):
        if side.readings:
            side.readings = await _fill(drain, question, console)
        await _burst(drain, street, question, int(question.uplinks * WARM_UP_SHARE), console, said)
        for number in range(1, question.runs + 1):
            doing = f"{said}, run {number} of {question.runs}"
            side.add(await _burst(drain, street, question, question.uplinks, console, doing))
            costs = side.together()[-1]
            console.print(f"{doing}: {side.per_second[-1]:,.0f} uplinks/s, {costs:.1f} us", style="dim")
    return side


async def _burst(
    drain: Drain, street: Street, question: Question, uplinks: int, console: Console, said: str
) -> Drained:
    with console.status(f"{said}: rendering {uplinks:,} uplinks"):
        traffic = make_traffic(street, uplinks, question.mix)
    with burst_bar(console, said, uplinks) as show:
        return await drain.measure("queued", traffic, show)


async def _fill(drain: Drain, question: Question, console: Console) -> int:
    with counting_bar(console, "filling in the past", question.readings) as progress:
        made = await insert_readings(
            drain.database,
            question.readings,
            question.days,
            lambda count: progress.advance(progress.task_ids[0], count),
        )
    console.print(f"{made:,} readings of {question.days} days made", style="dim")
    return made


@app.command()
def scale(
    *,
    runs: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 3,
    uplinks: Annotated[int, typer.Option(min=100, help="Size of a burst.")] = 200_000,
    small_spaces: Annotated[int, typer.Option(min=10, help="Spaces of the small platform, which is empty.")] = 1_000,
    large_spaces: Annotated[int, typer.Option(min=10, help="Spaces of the large one.")] = 100_000,
    readings: Annotated[int, typer.Option(min=0, help="Readings stored in the large one before.")] = 50_000_000,
    days: Annotated[int, typer.Option(min=1, max=30, help="Days they are spread over, today included.")] = 30,
    json_file: JsonFile = None,
) -> None:
    """Compare what an uplink costs in a small, empty platform and in a large one with a past.

    Needs Mosquitto, and about 15 GiB below /var/tmp for the default size.
    """
    question = Question(
        runs=runs,
        uplinks=uplinks,
        uplink_bytes=UPLINK_BYTES,
        mix=Mix(),
        small_spaces=small_spaces,
        large_spaces=large_spaces,
        readings=readings,
        days=days,
    )
    run(lambda console: compare(question, console), json_file)


if __name__ == "__main__":
    app(prog_name="make bench-scale")
