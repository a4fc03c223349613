"""When a frame happened: which of the clocks on its way to trust."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

OLDEST_BELIEVED = timedelta(days=7)
AHEAD_BELIEVED = timedelta(seconds=5)


def occurred_at(
    *,
    ns_times: Iterable[datetime],
    time: datetime | None,
    received_at: datetime,
    clock: Literal["live", "recorded"],
) -> datetime:
    """The earliest network-server time if it is plausible, else ChirpStack's `time` by the same test, else receipt.

    Plausible is from 7 days before to 5 s after the receipt, and never later than the receipt. A recorded
    application trusts `time` alone.
    """
    if clock == "recorded":
        return time or received_at
    for candidate in (min(ns_times, default=None), time):
        if candidate and _is_plausible(candidate, received_at):
            return min(candidate, received_at)
    return received_at


def session_time(
    *,
    ns_times: Iterable[datetime],
    time: datetime | None,
    received_at: datetime,
    clock: Literal["live", "recorded"],
) -> tuple[datetime, bool]:
    """The time that orders sessions, and whether the network server stamped it (so does a recording's `time`).

    A network server whose clock is far off is not believed: one session dated 2099 would outlast every re-join.
    """
    if clock == "recorded":
        return (time, True) if time else (received_at, False)
    earliest = min(ns_times, default=None)
    return (earliest, True) if earliest and _is_plausible(earliest, received_at) else (received_at, False)


def _is_plausible(moment: datetime, received_at: datetime) -> bool:
    # As a difference, which never overflows: the moment may lie at either end of the calendar.
    return -OLDEST_BELIEVED <= moment - received_at <= AHEAD_BELIEVED
