"""`make bench-soak`: memory over a long time at a steady rate, and latency beside it.

In: minutes and uplinks per second. Out: each service's memory after every minute, how much it grew from minute 10 to
minute 30 (or, in a shorter run, over its last two thirds), and whether that is within the limits.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from load.command import JsonFile, make_app, run
from load.consumption import SERVICES, look_at
from load.drain import Drain
from load.figures import MIB, as_json, machine
from load.latency import Echoes, echoes
from load.options import UPLINK_BYTES, Changing, OneBroker, Spaces
from load.prepared import prepared
from load.running_platform import Broker
from load.stored import count_readings
from load.street import Street, TimedMessage
from parking_simulator.occurrences import SECOND_NS
from parkstream.errors import OperatorError
from parkstream.showing import counting_bar

GROWN_AT_MOST_MIB = 5e6 / MIB
TOGETHER_AT_MOST_MIB = 500e6 / MIB
STEADY_FROM_SHARE = 1 / 3  # minute 10 of 30
app = make_app()


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked for."""

    minutes: float
    rate: float
    changing: float
    uplink_bytes: int
    spaces: int
    broker: Broker
    sample_seconds: float


@dataclass
class Soak:
    """The report; a list entry per sample. Memory in MiB, latency in ms."""

    question: Question
    minutes: list[float] = field(default_factory=list)
    memory_mib: dict[str, list[float]] = field(default_factory=dict)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)

    def add(self, minutes: float, memory_bytes: dict[str, int], latencies: list[float]) -> None:
        """One sample, and what was heard since the last."""
        self.minutes.append(minutes)
        for name, size in memory_bytes.items():
            self.memory_mib.setdefault(name, []).append(size / MIB)
        ordered = sorted(latencies) or [0.0]
        self.p50_ms.append(ordered[len(ordered) // 2] * 1000)
        self.p99_ms.append(ordered[len(ordered) * 99 // 100] * 1000)

    def services_mib(self) -> list[float]:
        """The five services together."""
        return [sum(sample) for sample in zip(*(self.memory_mib[name] for name in SERVICES), strict=True)]

    def growth_mib(self, sizes: list[float]) -> float:
        """From a third of the time to its end."""
        return sizes[-1] - sizes[int((len(sizes) - 1) * STEADY_FROM_SHARE)]

    def verdict(self) -> list[str]:
        """What is beyond the limits; nothing if all is well."""
        together, growth = max(self.services_mib()), self.growth_mib(self.services_mib())
        found = []
        if growth > GROWN_AT_MOST_MIB:
            found.append(f"the five services have grown by {growth:.1f} MiB, more than 5 MB")
        if together > TOGETHER_AT_MOST_MIB:
            found.append(f"they took {together:.0f} MiB, more than 500 MB")
        return found

    def to_json(self) -> bytes:
        """Everything."""
        growth = {name: self.growth_mib(sizes) for name, sizes in self.memory_mib.items()}
        samples = {"minutes": self.minutes, "memory_mib": self.memory_mib, "p50_ms": self.p50_ms, "p99_ms": self.p99_ms}
        return as_json(self.question, growth_mib=growth, beyond_limits=self.verdict(), samples=samples)

    def print(self, console: Console) -> None:
        """A row per process, and the verdict."""
        last = len(self.minutes) - 1
        begin, third = 0, int(last * STEADY_FROM_SHARE)
        columns = [f"minute {self.minutes[index]:.3g}" for index in (begin, third, last)]
        table = Table("memory", *columns, "growth since")
        for name, sizes in [*self.memory_mib.items(), ("the five services together", self.services_mib())]:
            cells = [f"{sizes[index]:,.1f} MiB" for index in (begin, third, last)]
            table.add_row(name, *cells, f"{self.growth_mib(sizes):+.1f} MiB")
        for name, values in (("publish to event, p50", self.p50_ms), ("publish to event, p99", self.p99_ms)):
            table.add_row(name, *(f"{values[index]:,.1f} ms" for index in (begin, third, last)), "")
        console.print(table)
        asked = self.question
        console.print(
            f"{asked.rate:,.0f} uplinks/s of {asked.uplink_bytes} bytes for {asked.minutes:g} minutes over "
            f"{asked.spaces:,} devices, {asked.changing:.0%} changing a state, on {machine()}; broker: {asked.broker}.",
            style="dim",
        )
        found = self.verdict()
        console.print("; ".join(found) or "within the limits", style="red" if found else "green")


async def measure(question: Question, console: Console) -> Soak:
    """Steady uplinks, and a look every so often."""
    report = Soak(question)
    async with prepared(question.broker, question.spaces, question.uplink_bytes, console) as (drain, street):
        await _soak(drain, street, report, console)
    return report


async def _soak(drain: Drain, street: Street, report: Soak, console: Console) -> None:
    asked = report.question
    count = int(asked.minutes * 60 * asked.rate)
    with counting_bar(console, f"{asked.rate:,.0f} uplinks/s", count) as progress:

        def messages() -> Iterator[TimedMessage]:
            """Rendered as they become due: half an hour's worth is too much to keep."""
            begin_ns = time.time_ns()
            for number in range(count):
                frame = street.frame(number, begin_ns + int(number / asked.rate * SECOND_NS), asked.changing)
                progress.advance(progress.task_ids[0])
                yield TimedMessage(number / asked.rate, frame.message, frame.cause if frame.is_change else "")

        async with echoes(drain.platform) as heard:
            looking = asyncio.create_task(_look(drain.platform.processes, heard, report))
            try:
                await heard.publish(messages())
                await looking
            finally:
                looking.cancel()
        await drain.rest(count)
        stored = await count_readings(drain.database, drain.began_at)
        if stored != drain.sent:
            raise OperatorError(f"{drain.sent:,} uplinks were sent, and {stored:,} readings are stored.")


async def _look(processes: dict[str, int], heard: Echoes, report: Soak) -> None:
    began = time.monotonic()
    for number in range(1, int(report.question.minutes * 60 / report.question.sample_seconds) + 1):
        await asyncio.sleep(began + number * report.question.sample_seconds - time.monotonic())
        latencies, heard.seconds = heard.seconds, []
        report.add((time.monotonic() - began) / 60, look_at(processes).memory_bytes, latencies)


@app.command()
def soak(
    *,
    minutes: Annotated[float, typer.Option(min=0.02, help="How long.")] = 30.0,
    rate: Annotated[float, typer.Option(min=1, help="Uplinks per second.")] = 1_000.0,
    changing: Changing = 0.2,
    spaces: Spaces = 10_000,
    broker: OneBroker = Broker.MOSQUITTO,
    sample_seconds: Annotated[float, typer.Option("--sample", min=0.5, help="Seconds from look to look.")] = 60.0,
    json_file: JsonFile = None,
) -> None:
    """Send uplinks at a steady rate for a long time, and tell how memory and latency develop.

    Everything sent is looked for in the database at the end. Limits: the five services together grow by less than
    5 MB over the last two thirds of the time, and take less than 500 MB.
    """
    question = Question(
        minutes=minutes,
        rate=rate,
        changing=changing,
        uplink_bytes=UPLINK_BYTES,
        spaces=spaces,
        broker=broker,
        sample_seconds=sample_seconds,
    )
    run(lambda console: measure(question, console), json_file)


if __name__ == "__main__":
    app(prog_name="make bench-soak")
