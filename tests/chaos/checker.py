"""The difference between what should be and what is: findings, each with examples. Pure.

In: the `Evidence` of a round. Out: `Finding`s; none means that every promise was kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from chaos.evidence import Evidence

EXAMPLES = 5


class Finding(msgspec.Struct, frozen=True):
    """One promise that was broken, how often, and where."""

    kind: str
    what: str
    count: int
    examples: tuple[str, ...] = ()


def finding(kind: str, what: str, found: Sequence[object]) -> Iterable[Finding]:
    """A finding, unless nothing was found."""
    if found:
        yield Finding(kind, what, len(found), tuple(str(one) for one in found[:EXAMPLES]))


def check(evidence: Evidence) -> list[Finding]:
    """Everything that is lost, duplicated, reordered, double-booked, leaked or unresolved."""
    raise NotImplementedError
