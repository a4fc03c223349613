"""Rates, ratios and CPU per uplink of the platform and of Node-RED, as a table and as JSON.

In: what each burst of each run measured. Out: medians and spreads; a ratio is taken within a run.
"""

import statistics
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from load.drain import Drained, Way
from load.figures import as_json, machine, shown
from load.traffic import Mix

OURS, THEIRS = "parkstream", "node_red"
NAMES = {OURS: "Parkstream", THEIRS: "Node-RED"}


@dataclass(frozen=True, kw_only=True)
class Question:
    """What was asked for."""

    runs: int
    uplinks: int
    uplink_bytes: int
    mix: Mix
    spaces: int


@dataclass
class Report:
    """A list entry per run: different uplinks per second, and CPU microseconds per uplink by process."""

    question: Question
    versions: str
    per_second: dict[str, dict[Way, list[float]]] = field(default_factory=lambda: {OURS: {}, THEIRS: {}})
    cpu_us_per_uplink: dict[str, dict[Way, dict[str, list[float]]]] = field(
        default_factory=lambda: {OURS: {}, THEIRS: {}}
    )

    def add(self, whose: str, way: Way, drained: Drained) -> None:
        """One burst."""
        self.per_second[whose].setdefault(way, []).append(drained.per_second)
        cpu = self.cpu_us_per_uplink[whose].setdefault(way, {})
        for name, seconds in drained.cpu_seconds.items():
            cpu.setdefault(name, []).append(seconds * 1e6 / drained.uplinks)

    def ratios(self, way: Way) -> list[float]:
        """How many times as fast the platform was, per run."""
        pairs = zip(self.per_second[OURS][way], self.per_second[THEIRS][way], strict=True)
        return [ours / theirs for ours, theirs in pairs]

    def to_json(self) -> bytes:
        """Everything."""
        ways = self.per_second[OURS]
        return as_json(
            self.question,
            peer=self.versions,
            median_ratio={way: statistics.median(self.ratios(way)) for way in ways},
            runs={"per_second": self.per_second, "cpu_us_per_uplink": self.cpu_us_per_uplink},
        )

    def print(self, console: Console) -> None:
        """A row per way, and the CPU of each process."""
        table = Table("drain", *NAMES.values(), "ratio", "least - most")
        for way in self.per_second[OURS]:
            rates = (" ".join(shown(self.per_second[whose][way], "/s")) for whose in NAMES)
            table.add_row(way, *rates, *shown(self.ratios(way), "x", digits=2))
        console.print(table)
        costs = Table("CPU per uplink", "whose", *self.per_second[OURS])
        for whose, name in NAMES.items():
            for process in self.cpu_us_per_uplink[whose]["queued"]:
                cells = (shown(cpu[process], "us", digits=1)[0] for cpu in self.cpu_us_per_uplink[whose].values())
                costs.add_row(process, name, *cells)
        console.print(costs)
        asked = self.question
        console.print(
            f"Medians of {asked.runs} (and range) on {machine()}; {self.versions}. {asked.uplinks:,} uplinks of "
            f"{asked.uplink_bytes} bytes and {asked.mix.duplicates:.0%} duplicates over {asked.spaces:,} devices, the "
            "same for both, through one Mosquitto into one PostgreSQL, while the other is held. Node-RED stores "
            "each uplink by one INSERT and acknowledges it before that: no states, no stays, no events, no "
            "deduplication, and what it holds is lost when it is killed.",
            style="dim",
        )
