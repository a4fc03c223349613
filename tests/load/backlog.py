"""`make bench-backlog`: how much memory it takes to work off a backlog, and whether a larger one takes more.

In: the size. Out: each service's peak while a tenth of it and while all of it is worked off. The backlog waits where
the platform itself keeps it, in UPLINKS, while the engine is held; or in the broker's queue, while the ingestor is.
"""

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from load.bars import burst_bar
from load.command import JsonFile, make_app, run
from load.consumption import SERVICES, forget_peaks, peaks_of
from load.drain import Drain
from load.figures import MIB, as_json, machine
from load.options import UPLINK_BYTES, OneBroker, Spaces
from load.prepared import prepared
from load.running_platform import Broker
from load.street import Street
from load.traffic import Mix, make_traffic

TENTH = 0.1
app = make_app()


class Where(StrEnum):
    """Who is held, and so where the backlog waits."""

    STREAM = "stream"
    BROKER = "broker"


WAYS = {Where.STREAM: "in_stream", Where.BROKER: "queued"}


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked for."""

    uplinks: int
    uplink_bytes: int
    mix: Mix
    spaces: int
    broker: Broker
    where: Where


@dataclass(frozen=True)
class Worked:
    """A backlog, worked off: different uplinks a second, and each process's peak in MiB."""

    uplinks: int
    per_second: float
    peak_mib: dict[str, float]

    def services_mib(self) -> float:
        """The five services' peaks together, which they need not have had at the same time."""
        return sum(self.peak_mib[name] for name in SERVICES)


@dataclass
class Backlog:
    """The report."""

    question: Question
    tenth: Worked
    whole: Worked

    def to_json(self) -> bytes:
        """Everything."""
        return as_json(self.question, tenth=self.tenth, whole=self.whole)

    def print(self, console: Console) -> None:
        """A column per size."""
        table = Table("peak memory", f"{self.tenth.uplinks:,} uplinks", f"{self.whole.uplinks:,} uplinks", "more")
        for name, peak in self.whole.peak_mib.items():
            before = self.tenth.peak_mib[name]
            table.add_row(name, f"{before:,.0f} MiB", f"{peak:,.0f} MiB", f"{peak - before:+,.0f} MiB")
        before, peak = self.tenth.services_mib(), self.whole.services_mib()
        cells = (f"{before:,.0f} MiB", f"{peak:,.0f} MiB", f"{peak - before:+,.0f} MiB")
        table.add_row("the five services together", *cells, style="bold")
        table.add_row("drained", f"{self.tenth.per_second:,.0f}/s", f"{self.whole.per_second:,.0f}/s", "")
        console.print(table)
        asked = self.question
        place = "UPLINKS, the engine held" if asked.where is Where.STREAM else "the broker's queue, the ingestor held"
        console.print(
            f"On {machine()}; {asked.uplink_bytes} bytes each, over {asked.spaces:,} devices; broker: {asked.broker}. "
            f"The backlog waited in {place}. Everything sent was found stored once.",
            style="dim",
        )


async def measure(question: Question, console: Console) -> Backlog:
    """A tenth, then all of it, on one platform."""
    async with prepared(question.broker, question.spaces, question.uplink_bytes, console) as (drain, street):
        tenth = await _work_off(drain, street, question, int(question.uplinks * TENTH), console)
        whole = await _work_off(drain, street, question, question.uplinks, console)
    return Backlog(question, tenth, whole)


async def _work_off(drain: Drain, street: Street, question: Question, uplinks: int, console: Console) -> Worked:
    with console.status(f"rendering {uplinks:,} uplinks"):
        traffic = make_traffic(street, uplinks, question.mix)
    processes = drain.platform.processes
    forget_peaks(processes)
    began = time.monotonic()
    with burst_bar(console, f"a backlog of {uplinks:,}", uplinks) as show:
        drained = await drain.measure(WAYS[question.where], traffic, show)
    peaks = {name: size / MIB for name, size in peaks_of(processes).items()}
    console.print(f"{uplinks:,} uplinks in {time.monotonic() - began:.0f} s, piling up included", style="dim")
    return Worked(uplinks, drained.per_second, peaks)


@app.command()
def backlog(
    *,
    uplinks: Annotated[int, typer.Option(min=1_000, help="Size of the backlog.")] = 500_000,
    spaces: Spaces = 10_000,
    broker: OneBroker = Broker.MOSQUITTO,
    where: Annotated[
        Where, typer.Option(help="Where it waits: in the platform's stream, or in the broker (350,000 fit there).")
    ] = Where.STREAM,
    json_file: JsonFile = None,
) -> None:
    """Work off a backlog, and tell the memory that it takes: of a tenth of it, and of all."""
    question = Question(
        uplinks=uplinks, uplink_bytes=UPLINK_BYTES, mix=Mix(), spaces=spaces, broker=broker, where=where
    )
    run(lambda console: measure(question, console), json_file)


if __name__ == "__main__":
    app(prog_name="make bench-backlog")
