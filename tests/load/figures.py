"""Figures of several runs: medians and spreads, as a table for people and as JSON for comparing.

In: what each run measured. Out: nothing is judged here.
"""

import os
import platform
import statistics
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from load.consumption import SERVICES
from load.drain import Drained, Way
from load.profile import Profile
from load.running_platform import Broker
from load.traffic import Mix
from parkstream.errors import OperatorError

MIB = 1 << 20
PERCENTILES = (50, 95, 99)
BROKERS: dict[Broker, str] = {Broker.MOSQUITTO: "Mosquitto", Broker.EMBEDDED: "the embedded listener"}
WAY_NAMES: dict[Way, str] = {"queued": "from the broker's queue", "live": "beside the publisher"}


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked for; it belongs to the answer."""

    runs: int
    uplinks: int
    uplink_bytes: int
    mix: Mix
    rate: float
    seconds: float
    spaces: int
    brokers: tuple[Broker, ...]
    profile: bool


@dataclass
class BrokerFigures:
    """Everything measured with one broker, a list entry per run. Latencies in ms, CPU in microseconds per uplink."""

    latency_ms: dict[str, list[float]] = field(default_factory=dict)
    drained_per_second: dict[Way, list[float]] = field(default_factory=dict)
    cpu_us_per_uplink: dict[Way, dict[str, list[float]]] = field(default_factory=dict)
    services_mib: list[float] = field(default_factory=list)
    memory_mib: dict[str, list[float]] = field(default_factory=dict)
    profile: Profile | None = None

    def add_latencies(self, seconds: list[float]) -> None:
        """One run's latencies, in any order. Raises OperatorError: there are too few to say anything."""
        if len(seconds) < 2:
            raise OperatorError(f"Latency was measured of {len(seconds)} changes.", "Ask for more --seconds or --rate.")
        cuts = statistics.quantiles(seconds, n=100, method="inclusive")
        for percent in PERCENTILES:
            self.latency_ms.setdefault(f"p{percent}", []).append(cuts[percent - 1] * 1000)

    def add_drained(self, way: Way, drained: Drained) -> None:
        """One run's burst."""
        self.drained_per_second.setdefault(way, []).append(drained.per_second)
        cpu = self.cpu_us_per_uplink.setdefault(way, {})
        for name, seconds in drained.cpu_seconds.items():
            cpu.setdefault(name, []).append(seconds * 1e6 / drained.uplinks)
        self.services_mib.append(drained.after.services_bytes() / MIB)
        for name, size in drained.after.memory_bytes.items():
            self.memory_mib.setdefault(name, []).append(size / MIB)

    def cpu_together(self, way: Way) -> list[float]:
        """CPU microseconds per uplink of all services and servers, per run."""
        return [sum(run) for run in zip(*self.cpu_us_per_uplink[way].values(), strict=True)]

    def medians(self) -> dict[str, Any]:
        """The figures that are compared."""
        return {
            "latency_ms": {name: statistics.median(values) for name, values in self.latency_ms.items()},
            "drained_per_second": {way: statistics.median(runs) for way, runs in self.drained_per_second.items()},
            "cpu_us_per_uplink": {way: statistics.median(self.cpu_together(way)) for way in self.cpu_us_per_uplink},
            "services_mib": statistics.median(self.services_mib),
        }


@dataclass
class Figures:
    """The report of `make bench`."""

    question: Question
    of: dict[Broker, BrokerFigures] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Question, machine, every run and the medians."""
        medians = {broker: figures.medians() for broker, figures in self.of.items()}
        return as_json(self.question, medians=medians, runs=self.of)

    def print(self, console: Console) -> None:
        """The tables of each broker."""
        asked, mix = self.question, self.question.mix
        for broker, figures in self.of.items():
            console.print(overall(figures, asked, BROKERS[broker]))
            console.print(per_process(figures))
            if figures.profile is not None:
                figures.profile.print(console)
        console.print(
            f"Medians of {asked.runs} on {machine()}, publisher and client included. {asked.uplinks:,} uplinks of "
            f"{asked.uplink_bytes:,} bytes over {asked.spaces:,} devices, {mix.changing:.0%} changing a state, "
            f"{mix.late:.1%} late, and {mix.duplicates:.1%} duplicates on top. Each drain ends when the last reading "
            "is committed and the last event is in SPACES, and everything sent was found stored once.",
            style="dim",
        )


def as_json(question: object, **parts: object) -> bytes:
    """A report for machines."""
    report = {"measured_at": datetime.now(UTC), "machine": machine(), "question": question, **parts}
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def overall(figures: BrokerFigures, asked: Question, broker: str) -> Table:
    """Drains, latency and memory."""
    table = Table("what", "median", "least - most", title=f"with {broker}", title_justify="left")
    for way, values in figures.drained_per_second.items():
        table.add_row(f"drain {WAY_NAMES[way]} ({way})", *shown(values, "uplinks/s"))
    for name, values in figures.latency_ms.items():
        table.add_row(f"publish to event at {asked.rate:,.0f}/s, {name}", *shown(values, "ms"))
    table.add_row("memory of the five services", *shown(figures.services_mib, "MiB"))
    return table


def per_process(figures: BrokerFigures) -> Table:
    """CPU per uplink and memory of each process."""
    table = Table(title="CPU per uplink and memory, while a burst is worked off", title_justify="left")
    table.add_column("process", no_wrap=True)
    for way in figures.cpu_us_per_uplink:
        table.add_column(way, no_wrap=True)
        table.add_column("least - most", no_wrap=True)
    table.add_column("memory", no_wrap=True)
    names = sorted(figures.memory_mib, key=lambda name: (name not in SERVICES, name))
    for name in names:
        costs = [cell for cpu in figures.cpu_us_per_uplink.values() for cell in shown(cpu[name], "us", digits=1)]
        table.add_row(name, *costs, shown(figures.memory_mib[name], "MiB")[0])
    together = [cell for way in figures.cpu_us_per_uplink for cell in shown(figures.cpu_together(way), "us", digits=1)]
    table.add_row("together", *together, "", style="bold")
    return table


def shown(values: list[float], unit: str, *, digits: int | None = None) -> tuple[str, str]:
    """Median and range, with as many digits as the size deserves."""
    middle = statistics.median(values)
    if digits is None:
        digits = 0 if middle >= 100 else 1
    return f"{middle:,.{digits}f} {unit}", f"{min(values):,.{digits}f} - {max(values):,.{digits}f}"


def machine() -> str:
    """Cores, system and Python."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
