"""What a run showed, as Markdown and as JSON.

In: rounds. Out: seeds, faults, counts, findings, and how long after the end of a fault everything was caught up with,
by component.
"""

from __future__ import annotations

import msgspec

from chaos.checker import Finding
from chaos.nemesis import Done


class Round(msgspec.Struct, kw_only=True):
    """One world from its start to its check. `counts` are such as `uplinks`, `bookings`, `broker_lost`."""

    seed: int
    broker: str
    replicas: int
    dense: bool
    seconds: float
    faults: list[Done]
    counts: dict[str, int]
    findings: list[Finding]
    skipped: list[str] = []


class Report(msgspec.Struct):
    """Several rounds."""

    rounds: list[Round]

    def to_markdown(self) -> str:
        """For people."""
        raise NotImplementedError

    def to_json(self) -> bytes:
        """For machines."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)
