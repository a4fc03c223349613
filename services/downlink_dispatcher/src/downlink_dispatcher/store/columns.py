"""Keys of two parts as PostgreSQL's `unnest` takes them: an array for each part."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

First = TypeVar("First")
Second = TypeVar("Second")


def columns(pairs: Iterable[tuple[First, Second]]) -> tuple[list[First], list[Second]]:
    """The first parts and the second ones, in the order given; two empty lists when there are none."""
    kept = list(pairs)
    return [first for first, _ in kept], [second for _, second in kept]
