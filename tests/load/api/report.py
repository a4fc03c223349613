"""Figures of several runs: medians and spreads per kind of request, as a table and as JSON.

In: what each run measured. Out: nothing is judged here.
"""

import statistics
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from load.api.open_loop import Outcome
from load.figures import machine, shown

PERCENTILES = (50, 99)
ALL = "all of them"
# The processes that a request touches, and what they are called in the table.
TOUCHED = {
    "api_gateway": "gateway",
    "reservation_service": "reservations",
    "postgres": "PostgreSQL",
    "nats": "NATS",
    "this client": "client",
}


@dataclass(frozen=True)
class Question:
    """What was asked for; it belongs to the answer."""

    runs: int
    seconds: float
    reads_per_second: float
    bookings_per_second: float
    mixed_per_second: float
    contenders: int
    rounds: int
    spaces: int
    uplinks_per_second: float


@dataclass
class Report:
    """Everything measured, by round and kind; a list entry per run. Latencies in ms, from the moment they were due."""

    question: Question
    latency_ms: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    per_second: dict[str, list[float]] = field(default_factory=dict)
    sent_late_ms: dict[str, list[float]] = field(default_factory=dict)
    cpu_ms_per_request: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    wrong: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, outcome: Outcome, cpu_seconds: dict[str, float]) -> None:
        """One run's round."""
        kinds = dict(outcome.latencies)
        if len(kinds) > 1:
            kinds[ALL] = [one for latencies in outcome.latencies.values() for one in latencies]
        for kind, latencies in kinds.items():
            for percent, cut in zip(PERCENTILES, cuts(latencies), strict=True):
                into = self.latency_ms.setdefault(name, {}).setdefault(kind, {})
                into.setdefault(f"p{percent}", []).append(cut * 1000)
        self.per_second.setdefault(name, []).append(outcome.count / outcome.seconds)
        if outcome.sent_late:
            self.sent_late_ms.setdefault(name, []).append(cuts(outcome.sent_late)[1] * 1000)
        for process, seconds in cpu_seconds.items():
            into_cpu = self.cpu_ms_per_request.setdefault(name, {})
            into_cpu.setdefault(process, []).append(seconds * 1000 / outcome.count)
        self.wrong.update({f"{name}: {kind}: {status}": count for (kind, status), count in outcome.wrong.items()})

    def to_json(self) -> bytes:
        """Question, machine, every run and the medians."""
        report: dict[str, Any] = {
            "measured_at": datetime.now(UTC),
            "machine": machine(),
            "question": self.question,
            "median_latency_ms": medians(self.latency_ms),
            "runs": {name: value for name, value in vars(self).items() if name != "question"},
        }
        return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"

    def print(self, console: Console) -> None:
        """The tables, and what went wrong."""
        table = Table("round", "request", "p50", "least - most", "p99", "least - most")
        for name, kinds in self.latency_ms.items():
            for kind, percentiles in sorted(kinds.items(), key=lambda item: item[0] == ALL):
                p50, p99 = (shown(percentiles[f"p{percent}"], "ms", digits=1) for percent in PERCENTILES)
                table.add_row(name, kind, *p50, *p99)
                name = ""  # noqa: PLW2901  said once
        console.print(table)
        console.print(self._costs())
        for what, count in sorted(self.wrong.items()):
            console.print(f"{count:,} wrong answers, {what}", style="red", markup=False)
        asked = self.question
        console.print(
            f"Medians of {asked.runs} on {machine()}, the client and {asked.uplinks_per_second:g} uplinks/s included. "
            f"{asked.spaces:,} spaces; a latency begins when its request is due, not when it can be sent.",
            style="dim",
        )

    def _costs(self) -> Table:
        """A row per round; processes that a request does not touch are in the JSON alone."""
        table = Table(title="CPU per request, and how late the client itself was", title_justify="left")
        for column in ("round", "answered", "sent late, p99", *TOUCHED.values()):
            table.add_column(column)
        for name, rates in self.per_second.items():
            late = shown(self.sent_late_ms[name], "ms", digits=1)[0] if name in self.sent_late_ms else ""
            costs = [shown(self.cpu_ms_per_request[name][process], "ms", digits=2)[0] for process in TOUCHED]
            table.add_row(name, shown(rates, "/s")[0], late, *costs)
        return table


def cuts(seconds: list[float]) -> list[float]:
    """The percentiles of `PERCENTILES`."""
    if len(seconds) < 2:
        return [seconds[0]] * len(PERCENTILES)
    quantiles = statistics.quantiles(seconds, n=100, method="inclusive")
    return [quantiles[percent - 1] for percent in PERCENTILES]


def medians(figures: Any) -> Any:
    """The same with a median in place of each list."""
    if isinstance(figures, dict):
        return {name: medians(value) for name, value in figures.items()}
    return statistics.median(figures)
