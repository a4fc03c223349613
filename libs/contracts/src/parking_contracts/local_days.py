"""Local days, their quarter hours and hours: who computes figures by them and who shows them cut them alike."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate, groupby
from zoneinfo import ZoneInfo

import msgspec

QUARTER = 900
"""Seconds. No zone's clocks differ from another's by less."""

_ONE_DAY = timedelta(days=1)


class LocalDay(msgspec.Struct, frozen=True):
    """From one local midnight to the next, in seconds since 1970: 23, 24 or 25 h, or whatever the clocks did that day.

    `hour_quarters` says how many quarter hours each local hour has; an hour that comes twice is two.
    """

    day: date
    starts_at: int
    ends_at: int
    hour_quarters: tuple[int, ...]

    @property
    def quarters(self) -> int:
        """How many quarter hours it has: 92, 96 or 100 as a rule, 94 or 98 where clocks move by half an hour."""
        return sum(self.hour_quarters)

    def quarter_starts(self) -> list[int]:
        """When each quarter hour begins."""
        return list(range(self.starts_at, self.ends_at, QUARTER))

    def hour_starts(self) -> list[int]:
        """When each local hour begins."""
        return [self.starts_at + (end - own) * QUARTER for own, end in zip(self.hour_quarters, self._ends, strict=True)]

    @property
    def _ends(self) -> list[int]:
        return list(accumulate(self.hour_quarters))


@lru_cache(maxsize=4096)
def local_day(time_zone: str, day: date) -> LocalDay:
    """That day in an IANA zone. A midnight that the clocks skip is the moment at which they skip it.

    Raises:
        ZoneInfoNotFoundError: There is no such zone.
    """
    zone = ZoneInfo(time_zone)
    starts_at, ends_at = _midnight(zone, day), _midnight(zone, day + _ONE_DAY)
    quarters = range(starts_at, ends_at, QUARTER)
    hours = groupby(quarters, key=lambda second: _hour(datetime.fromtimestamp(second, zone)))
    return LocalDay(day, starts_at, ends_at, tuple(len(list(quarters)) for _, quarters in hours))


def _midnight(zone: ZoneInfo, day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).timestamp())


def _hour(local: datetime) -> tuple[int, timedelta | None]:
    return local.hour, local.utcoffset()
