"""Rows turned into columns, as `unnest` wants its arrays."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def columns(rows: Iterable[tuple[Any, ...]], count: int) -> list[list[Any]]:
    """One list per column; `count` empty lists when there are no rows."""
    turned = [list(column) for column in zip(*rows, strict=True)]
    return turned or [[] for _ in range(count)]
