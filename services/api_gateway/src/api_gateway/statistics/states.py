"""Spaces counted by state, and how full that makes a place. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import asyncpg

from parking_contracts.space import SpaceState


def count_states(rows: Iterable[asyncpg.Record]) -> dict[str, int]:
    """`total` and every state of rows that say `state` and how many `spaces` are in it."""
    counts = dict.fromkeys(("total", *SpaceState), 0)
    for row in rows:
        counts[row["state"]] += row["spaces"]
        counts["total"] += row["spaces"]
    return counts


def occupancy_rate(counts: Mapping[str, int]) -> float | None:
    """Occupied / (free + occupied + reserved); None where nothing can be used, or nothing is known."""
    usable = counts["free"] + counts["occupied"] + counts["reserved"]
    return round(counts["occupied"] / usable, 4) if usable else None
