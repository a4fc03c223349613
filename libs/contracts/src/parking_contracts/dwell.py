"""Dwell as a histogram that adds up: who writes it and who reads it agree here on what a bucket means.

Buckets grow by a tenth, so that a quantile read from them is within 5 % of the exact one whatever the durations are,
and the histograms of days and places can be added before anyone asks for a quantile.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

RATIO = 1.1
_LOG_RATIO = math.log(RATIO)


def bucket_of(seconds: float) -> int:
    """The bucket of a duration: n holds what is over 1.1^(n-1) and up to 1.1^n seconds; 0 up to one second."""
    return math.ceil(math.log(seconds) / _LOG_RATIO) if seconds > 1 else 0


def bounds_of(bucket: int) -> tuple[float, float]:
    """Over how many seconds, and up to how many."""
    return (RATIO ** (bucket - 1) if bucket else 0.0), RATIO**bucket


def quantile_of(counts: Mapping[int, int], share: float) -> float | None:
    """The duration in seconds that `share` (0 to 1) of the stays do not exceed; None when there are none.

    The middle of its bucket, so at most 4.8 % off the nearest-rank quantile of the durations themselves.
    """
    total = sum(counts.values())
    if total == 0:
        return None
    rank = max(1, math.ceil(share * total))
    for bucket in sorted(counts):
        rank -= counts[bucket]
        if rank <= 0:
            return 2 * RATIO**bucket / (RATIO + 1) if bucket else 1.0
    raise AssertionError("ranks end with the last bucket")
