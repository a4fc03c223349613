"""Figures of several runs: medians and spreads, as a table and as JSON.

In: what each run measured. Out: nothing is judged here.
"""

import statistics
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from load.displays.told import Told
from load.figures import machine, shown

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Question:
    """What was asked for; it belongs to the answer."""

    runs: int
    displays: int
    rate: float
    seconds: float
    converging: int
    mosquitto: bool = False


@dataclass
class Report:
    """Everything measured, a list entry per run. Latencies in ms, from the moment the uplink was due."""

    question: Question
    latency_ms: dict[str, list[float]] = field(default_factory=dict)
    downlinks: list[int] = field(default_factory=list)
    merged: list[int] = field(default_factory=list)
    cpu_ms_per_change: dict[str, list[float]] = field(default_factory=dict)
    converged_seconds: dict[str, float] = field(default_factory=dict)
    converging_downlinks: int = 0

    def add(self, told: Told, downlinks: int, cpu_seconds: dict[str, float], changes: int) -> None:
        """One run at raised limits."""
        cuts = statistics.quantiles(told.seconds, n=100, method="inclusive")
        for percent in PERCENTILES:
            self.latency_ms.setdefault(f"p{percent}", []).append(cuts[percent - 1] * 1000)
        self.downlinks.append(downlinks)
        self.merged.append(told.merged)
        for process, seconds in cpu_seconds.items():
            self.cpu_ms_per_change.setdefault(process, []).append(seconds * 1000 / changes)

    def add_convergence(self, seconds: list[float], downlinks: int) -> None:
        """How long after the change each display was told, at the shipped limits."""
        ordered = sorted(seconds)
        self.converged_seconds = {"half": ordered[len(ordered) // 2], "all": ordered[-1]}
        self.converging_downlinks = downlinks

    def to_json(self) -> bytes:
        """Question, machine, every run and the medians."""
        report: dict[str, Any] = {
            "measured_at": datetime.now(UTC),
            "machine": machine(),
            "question": self.question,
            "median_latency_ms": {name: statistics.median(values) for name, values in self.latency_ms.items()},
            "runs": {name: value for name, value in vars(self).items() if name != "question"},
        }
        return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"

    def print(self, console: Console) -> None:
        """The table, and the convergence in words."""
        asked = self.question
        table = Table("from uplink to ChirpStack's queue", "median", "least - most")
        for name, values in self.latency_ms.items():
            table.add_row(name, *shown(values, "ms", digits=1))
        for process, values in sorted(self.cpu_ms_per_change.items(), key=lambda item: -statistics.median(item[1])):
            table.add_row(f"CPU per change, {process}", *shown(values, "ms", digits=2))
        console.print(table)
        console.print(
            f"{statistics.median(self.downlinks):,.0f} downlinks per run; {sum(self.merged):,} changes of all runs "
            "shared a downlink with a later one and have no latency of their own."
        )
        if self.converged_seconds:
            half, everybody = self.converged_seconds["half"], self.converged_seconds["all"]
            console.print(
                f"At the shipped limits, {asked.converging:,} spaces changing at once: half of the displays were told "
                f"after {half:.1f} s, all after {everybody:.1f} s, with {self.converging_downlinks:,} downlinks."
            )
        broker = "Mosquitto" if asked.mosquitto else "embedded MQTT listener"
        console.print(
            f"{asked.runs} runs of {asked.seconds:g} s at {asked.rate:g} changes/s over {asked.displays:,} displays on "
            f"{machine()}; {broker}, publisher and ChirpStack double included.",
            style="dim",
        )
