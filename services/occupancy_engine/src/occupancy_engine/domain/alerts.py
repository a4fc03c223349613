"""What is wrong with a device: from what is known of it to the alerts that should be open now.

Each kind of alert is one function: facts, thresholds and whether it is open already come in, a finding or nothing goes
out. What opens an alert lies beyond what closes it, so that a value on the edge does not ring all day.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

import msgspec

from occupancy_engine.domain.measures import BatteryTrend, ErrorRun, Radio
from parking_contracts.alert import AlertKind, AlertSeverity

FLAPPING_FROM, FLAPPING_UNTIL = 6.0, 3.0
PERCENT_BACK, VOLTS_BACK, DAYS_BACK = 5.0, 0.1, 1.5
SNR_BACK_DB, LOST_BACK = 2.5, 0.5


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """When to speak up; zero switches a kind off. A device profile may have its own."""

    stuck_days: float
    battery_low_percent: float
    battery_low_volts: float
    battery_days_left: float
    weak_snr_db: float
    lost_frames_percent: float
    decoder_errors: int
    network_errors: int


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """A device on a space. `unchanged_since`: it has said the same for so long, on this space."""

    last_seen_at: datetime | None = None
    silent: bool = False
    unchanged_since: datetime | None = None
    occupied: bool | None = None
    flap_score: float = 0.0
    battery_percent: float | None = None
    battery_volts: float | None = None
    external_power: bool = False
    trend: BatteryTrend | None = None
    radio: Radio = Radio()
    decoder: ErrorRun = ErrorRun()
    network: ErrorRun = ErrorRun()
    last_error: str | None = None
    codec: str | None = None
    codec_warning: str | None = None


class Finding(msgspec.Struct, frozen=True):
    """An alert that should be open."""

    kind: AlertKind
    severity: AlertSeverity
    summary: str
    details: Mapping[str, str | float | bool | None] = {}


Judge = Callable[[Facts, Thresholds, bool, datetime], Finding | None]


def findings(facts: Facts, thresholds: Thresholds, open_kinds: Collection[str], now: datetime) -> list[Finding]:
    """Every alert that should be open, given those that are."""
    found = (judge(facts, thresholds, kind in open_kinds, now) for kind, judge in JUDGES.items())
    return [finding for finding in found if finding is not None]


def _silent(facts: Facts, _thresholds: Thresholds, _is_open: bool, _now: datetime) -> Finding | None:
    if not facts.silent:
        return None
    return Finding("silent", "critical", f"not heard since {_minute(facts.last_seen_at)}")


def _stuck(facts: Facts, thresholds: Thresholds, _is_open: bool, now: datetime) -> Finding | None:
    """It is heard, and says the same for days. A space that nobody uses looks the same: look before you replace."""
    since = facts.unchanged_since
    if not thresholds.stuck_days or facts.silent or facts.occupied is None or since is None:
        return None
    if now - since < timedelta(days=thresholds.stuck_days):
        return None
    word = "occupied" if facts.occupied else "free"
    summary = f"reports and has said {word} since {_minute(since)}"
    return Finding("stuck", "warning", summary, {"occupied": facts.occupied, "since": since.isoformat()})


def _flapping(facts: Facts, _thresholds: Thresholds, is_open: bool, _now: datetime) -> Finding | None:
    if facts.flap_score < (FLAPPING_UNTIL if is_open else FLAPPING_FROM):
        return None
    return Finding("flapping", "warning", "changes its mind again and again", {"score": round(facts.flap_score, 1)})


def _battery_low(facts: Facts, thresholds: Thresholds, is_open: bool, _now: datetime) -> Finding | None:
    if facts.external_power:
        return None
    percent, volts = facts.battery_percent, facts.battery_volts
    if percent is not None:
        if not _is_at_most(percent, thresholds.battery_low_percent, PERCENT_BACK if is_open else 0.0):
            return None
        return Finding("battery_low", "warning", f"battery at {percent:.0f} %", {"battery_percent": round(percent, 1)})
    if volts is None or not _is_at_most(volts, thresholds.battery_low_volts, VOLTS_BACK if is_open else 0.0):
        return None
    return Finding("battery_low", "warning", f"battery at {volts:.2f} V", {"battery_volts": round(volts, 2)})


def _battery_falling(facts: Facts, thresholds: Thresholds, is_open: bool, _now: datetime) -> Finding | None:
    trend = facts.trend
    if facts.external_power or trend is None or trend.days_left is None:
        return None
    if not _is_at_most(trend.days_left, thresholds.battery_days_left * (DAYS_BACK if is_open else 1.0)):
        return None
    details = {"days_left": round(trend.days_left, 1), "per_day": round(trend.per_day, 4), "unit": trend.unit}
    return Finding("battery_falling", "info", f"battery empty in about {trend.days_left:.0f} days", details)


def _weak_radio(facts: Facts, thresholds: Thresholds, is_open: bool, _now: datetime) -> Finding | None:
    """At the edge of what the network hears, or frames go missing, over the last day."""
    radio = facts.radio
    snr, lost = radio.snr_median, radio.lost_percent
    edge = thresholds.weak_snr_db + (SNR_BACK_DB if is_open else 0.0)
    limit = thresholds.lost_frames_percent * (LOST_BACK if is_open else 1.0)
    is_faint = bool(thresholds.weak_snr_db) and snr is not None and snr <= edge
    is_lossy = bool(limit) and lost is not None and lost >= limit
    if not radio.is_telling or not (is_faint or is_lossy):
        return None
    why = f"median SNR {snr:.1f} dB" if is_faint else f"{lost:.0f} % of its frames are lost"
    details = {"snr_median_db": snr, "rssi_median_dbm": radio.rssi_median, "lost_percent": lost}
    return Finding("weak_radio", "warning", f"weak radio: {why}", details)


def _decoder_errors(facts: Facts, thresholds: Thresholds, is_open: bool, _now: datetime) -> Finding | None:
    if not _keeps_failing(facts.decoder, thresholds.decoder_errors, is_open=is_open):
        return None
    details = {"errors": facts.decoder.run, "last_error": facts.last_error, "codec": facts.codec}
    return Finding("decoder_errors", "warning", f"{facts.decoder.run} payloads could not be read", details)


def _network_errors(facts: Facts, thresholds: Thresholds, is_open: bool, _now: datetime) -> Finding | None:
    if not _keeps_failing(facts.network, thresholds.network_errors, is_open=is_open):
        return None
    details = {"errors": facts.network.run, "last_error": facts.last_error}
    return Finding("network_errors", "info", f"the network server reported {facts.network.run} problems", details)


def _profile_warning(facts: Facts, _thresholds: Thresholds, _is_open: bool, _now: datetime) -> Finding | None:
    if facts.codec_warning is None:
        return None
    return Finding("profile_warning", "info", facts.codec_warning, {"codec": facts.codec})


JUDGES: dict[AlertKind, Judge] = {
    "silent": _silent,
    "stuck": _stuck,
    "flapping": _flapping,
    "battery_low": _battery_low,
    "battery_falling": _battery_falling,
    "weak_radio": _weak_radio,
    "decoder_errors": _decoder_errors,
    "network_errors": _network_errors,
    "profile_warning": _profile_warning,
}
"""The whole list."""


def _is_at_most(value: float, limit: float, margin: float = 0.0) -> bool:
    return limit > 0 and value <= limit + margin


def _keeps_failing(errors: ErrorRun, count: int, *, is_open: bool) -> bool:
    """Opened by so many errors in a run, closed when the run is over."""
    return count > 0 and (errors.run > 0 if is_open else errors.run >= count)


def _minute(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "it was assigned"
