"""What a run showed, as Markdown and as JSON.

In: rounds. Out: seeds, faults, counts, findings, and how long after the end of a fault everything was caught up with,
by component.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator

import msgspec

from chaos.checker import Finding
from chaos.nemesis import Done, Kind

MEASURED_KINDS = tuple(Kind)


class Round(msgspec.Struct, kw_only=True):
    """One world from its start to its check. `counts` are such as `uplinks` and `bookings`."""

    seed: int
    broker: str
    replicas: int
    dense: bool
    seconds: float
    faults: list[Done]
    counts: dict[str, int]
    findings: list[Finding]
    skipped: list[str] = []

    @property
    def summary(self) -> str:
        """A line."""
        figures = ", ".join(f"{number:,} {name}" for name, number in self.counts.items())
        found = f"{len(self.findings)} FINDINGS" if self.findings else "no findings"
        return f"{len(self.faults)} faults, {figures}: {found} in {self.seconds:.0f} s"


class Report(msgspec.Struct):
    """Several rounds."""

    rounds: list[Round]

    @property
    def has_findings(self) -> bool:
        """Whether any promise was broken."""
        return any(one.findings for one in self.rounds)

    def to_markdown(self) -> str:
        """For people."""
        return "\n".join((*self._totals(), *self._findings(), *self._faults(), *self._recovery(), *self._rounds(), ""))

    def to_json(self) -> bytes:
        """For machines."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    def _totals(self) -> Iterator[str]:
        totals: Counter[str] = Counter()
        for one in self.rounds:
            totals.update(one.counts)
        seconds = sum(one.seconds for one in self.rounds)
        faults = sum(len(one.faults) for one in self.rounds)
        yield f"{len(self.rounds)} rounds, {faults} faults in {seconds / 60:.0f} minutes.\n"
        yield "| What | How many |\n|---|---:|"
        yield from (f"| {name} | {number:,} |" for name, number in totals.items())

    def _findings(self) -> Iterator[str]:
        kinds: Counter[str] = Counter(found.kind for one in self.rounds for found in one.findings)
        yield "\n| Broken promises | Findings |\n|---|---:|"
        for kind in ("lost", "duplicated", "invented", "reordered", "double-booked", "leaked", "unresolved"):
            yield f"| {kind} | {kinds[kind]} |"
        for one in self.rounds:
            for found in one.findings:
                yield f"\nseed {one.seed}: {found.kind}: {found.count} {found.what}"
                yield from (f"- `{example}`" for example in found.examples)
        yield from sorted({f"\nSkipped: {text}" for one in self.rounds for text in one.skipped})

    def _faults(self) -> Iterator[str]:
        """How often each kind hit each component."""
        times = Counter((_kind_of(done.fault.target), done.fault.kind) for one in self.rounds for done in one.faults)
        kinds = [kind for kind in Kind if any(kind is found for _, found in times)]
        yield "\n| Faults on | " + " | ".join(kinds) + " |\n|---|" + "---:|" * len(kinds)
        for component in sorted({component for component, _ in times}):
            yield f"| {component} | " + " | ".join(str(times[component, kind] or "") for kind in kinds) + " |"

    def _recovery(self) -> Iterator[str]:
        """Faults that were waited for."""
        took: defaultdict[str, list[float]] = defaultdict(list)
        by_kind: defaultdict[tuple[str, Kind], list[float]] = defaultdict(list)
        for one in self.rounds:
            for done in one.faults:
                if done.caught_up is not None:
                    took[_kind_of(done.fault.target)].append(done.caught_up)
                    by_kind[_kind_of(done.fault.target), done.fault.kind].append(done.caught_up)
        if not took:
            return
        kinds = [kind for kind in Kind if any(kind is found for _, found in by_kind)]
        yield "\nSeconds from the end of a fault until all that came before was caught up with:\n"
        yield "| Component | faults | median | max | " + " | ".join(kinds) + " |"
        yield "|---|---:|---:|---:|" + "---:|" * len(kinds)
        for name, seconds in sorted(took.items()):
            each = (f"{max(by_kind[name, kind]):.1f}" if by_kind[name, kind] else "" for kind in kinds)
            figures = f"{statistics.median(seconds):.1f} | {max(seconds):.1f}"
            yield f"| {name} | {len(seconds)} | {figures} | " + " | ".join(each) + " |"
        yield "\nThe columns of the kinds are maxima."

    def _rounds(self) -> Iterator[str]:
        yield "\n| Seed | Broker | of each | Faults | Uplinks | Findings |\n|---:|---|---:|---|---:|---:|"
        for one in self.rounds:
            how = "overlapping" if one.dense else "one by one"
            figures = f"{one.counts.get('uplinks', 0):,} | {len(one.findings)}"
            yield f"| {one.seed} | {one.broker} | {one.replicas} | {len(one.faults)} {how} | {figures} |"


def _kind_of(target: str) -> str:
    """A component without its replica's number."""
    name, _, number = target.rpartition("-")
    return name if number.isdigit() else target
