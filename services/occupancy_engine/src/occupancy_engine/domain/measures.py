"""What a device's readings come to over days: the battery's trend, the radio's quality, and runs of errors."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

BatteryUnit = Literal["percent", "volts"]

# Fewer readings over less time say nothing about a battery that lasts for years.
TREND_READINGS, TREND_DAYS = 10, 3.0
# Where a lithium cell, of whatever chemistry, has nothing left to send with.
EMPTY: dict[BatteryUnit, float] = {"percent": 0.0, "volts": 2.5}
# Below this a slope is the noise of the measurement.
LEAST_PER_DAY: dict[BatteryUnit, float] = {"percent": 0.01, "volts": 0.0002}
TELLING_FRAMES = 5


class Slope(msgspec.Struct, frozen=True):
    """A straight line through a battery's readings: how many, over how many days, and its slope per day."""

    readings: int = 0
    days: float = 0.0
    per_day: float | None = None


class BatteryTrend(msgspec.Struct, frozen=True):
    """How fast a battery falls, and in how many days it is empty (None: it does not fall)."""

    unit: BatteryUnit
    per_day: float
    days_left: float | None


class Radio(msgspec.Struct, frozen=True):
    """The last day: medians over the best gateway of each frame (dB, dBm), frames heard, and missed in between."""

    snr_median: float | None = None
    rssi_median: float | None = None
    heard: int = 0
    missed: int = 0

    @property
    def is_telling(self) -> bool:
        """Whether it was heard often enough to judge."""
        return self.heard >= TELLING_FRAMES

    @property
    def lost_percent(self) -> float | None:
        """Of the frames it sent, by its own count, those that nobody heard."""
        sent = self.heard + self.missed
        return round(100 * self.missed / sent, 1) if sent else None


class ErrorRun(msgspec.Struct, frozen=True):
    """An error counter as last seen, and how many came in the present run; quiet for long enough ends a run."""

    seen: int = 0
    run: int = 0
    at: datetime | None = None


def follow(errors: ErrorRun, counter: int, now: datetime, quiet: timedelta) -> ErrorRun:
    """The run after another look at the counter. A counter that fell belongs to a device that was made anew."""
    if counter > errors.seen:
        return ErrorRun(counter, errors.run + counter - errors.seen, now)
    if counter < errors.seen:
        return ErrorRun(counter, counter, now if counter else None)
    if errors.run and errors.at is not None and now - errors.at > quiet:
        return ErrorRun(counter)
    return errors


def battery_trend(unit: BatteryUnit, value: float | None, slope: Slope) -> BatteryTrend | None:
    """From a line through the readings to the days until the battery is empty; None where they are too few."""
    if slope.per_day is None or slope.readings < TREND_READINGS or slope.days < TREND_DAYS:
        return None
    falls = -slope.per_day
    if value is None or falls < LEAST_PER_DAY[unit]:
        return BatteryTrend(unit, slope.per_day, None)
    return BatteryTrend(unit, slope.per_day, max(value - EMPTY[unit], 0.0) / falls)
