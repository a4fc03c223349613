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

from load.burst import Burst
from load.consumption import SERVICES

MIB = 1 << 20
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Question:
    """What was asked for; it belongs to the answer."""

    runs: int
    uplinks: int
    changing: float
    rate: float
    seconds: float
    spaces: int
    mosquitto: bool


@dataclass
class Figures:
    """Everything measured, a list entry per run. Latencies in ms."""

    question: Question
    latency_ms: dict[str, list[float]] = field(default_factory=dict)
    drain_per_second: list[float] = field(default_factory=list)
    services_mib: list[float] = field(default_factory=list)
    memory_mib: dict[str, list[float]] = field(default_factory=dict)
    cpu_seconds_per_1000: dict[str, list[float]] = field(default_factory=dict)

    def add_latencies(self, seconds: list[float]) -> None:
        """One run's latencies, in any order."""
        cuts = statistics.quantiles(seconds, n=100, method="inclusive")
        for percent in PERCENTILES:
            self.latency_ms.setdefault(f"p{percent}", []).append(cuts[percent - 1] * 1000)

    def add_burst(self, burst: Burst) -> None:
        """One run's burst."""
        self.drain_per_second.append(burst.per_second)
        self.services_mib.append(burst.after.services_bytes() / MIB)
        for name, size in burst.after.memory_bytes.items():
            self.memory_mib.setdefault(name, []).append(size / MIB)
        for name, seconds in burst.cpu_seconds.items():
            self.cpu_seconds_per_1000.setdefault(name, []).append(seconds * 1000 / burst.uplinks)

    def cpu_together(self) -> list[float]:
        """CPU seconds per 1,000 uplinks of all services and servers, per run."""
        return [sum(run) for run in zip(*self.cpu_seconds_per_1000.values(), strict=True)]

    def to_json(self) -> bytes:
        """Question, machine, every run and the medians."""
        medians = {
            "latency_ms": {name: statistics.median(values) for name, values in self.latency_ms.items()},
            "drain_per_second": statistics.median(self.drain_per_second),
            "services_mib": statistics.median(self.services_mib),
            "cpu_seconds_per_1000": statistics.median(self.cpu_together()),
        }
        report: dict[str, Any] = {
            "measured_at": datetime.now(UTC),
            "machine": machine(),
            "question": self.question,
            "medians": medians,
            "runs": {name: value for name, value in vars(self).items() if name != "question"},
        }
        return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"

    def print(self, console: Console) -> None:
        """The tables."""
        asked = self.question
        broker = "Mosquitto, MQTT 5" if asked.mosquitto else "the embedded listener, MQTT 3.1.1"
        console.print(overall(self, asked))
        console.print(per_process(self))
        console.print(
            f"Medians of {asked.runs} on {machine()}, publisher and client included; broker: {broker}. Every uplink of "
            f"the first kind changes one of {asked.spaces:,} spaces, {asked.changing:.0%} of the burst do.",
            style="dim",
        )


def overall(figures: Figures, asked: Question) -> Table:
    """Latency, drain and memory."""
    table = Table("what", "median", "least - most")
    for name, values in figures.latency_ms.items():
        table.add_row(f"publish to event at {asked.rate:,.0f}/s, {name}", *shown(values, "ms"))
    table.add_row(f"burst of {asked.uplinks:,}", *shown(figures.drain_per_second, "uplinks/s"))
    table.add_row("memory of the five services", *shown(figures.services_mib, "MiB"))
    table.add_row("CPU per 1,000 uplinks, everything", *shown(figures.cpu_together(), "s", digits=3))
    return table


def per_process(figures: Figures) -> Table:
    """CPU and memory of each."""
    table = Table(title="while a burst is worked off", title_justify="left")
    for name in ("process", "CPU per 1,000", "least - most", "memory", "least - most"):
        table.add_column(name, no_wrap=True)
    names = sorted(figures.memory_mib, key=lambda name: (name not in SERVICES, name))
    for name in names:
        cpu = shown(figures.cpu_seconds_per_1000[name], "s", digits=3)
        table.add_row(name, *cpu, *shown(figures.memory_mib[name], "MiB"))
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
