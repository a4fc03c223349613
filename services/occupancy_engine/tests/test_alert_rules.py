"""Which alerts should be open: every kind by a table of edges, runs of errors, and a battery's days."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occupancy_engine.domain.alerts import JUDGES, Facts, Thresholds, findings
from occupancy_engine.domain.measures import BatteryTrend, ErrorRun, Radio, Slope, battery_trend, follow

NOW = datetime(2026, 7, 22, 16, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
USUAL = Thresholds(
    stuck_days=7,
    battery_low_percent=20,
    battery_low_volts=3.0,
    battery_days_left=30,
    weak_snr_db=-12.5,
    lost_frames_percent=20,
    decoder_errors=3,
    network_errors=10,
)
OFF = Thresholds(
    stuck_days=0,
    battery_low_percent=0,
    battery_low_volts=0,
    battery_days_left=0,
    weak_snr_db=0,
    lost_frames_percent=0,
    decoder_errors=0,
    network_errors=0,
)


def falling(days: float | None) -> BatteryTrend:
    return BatteryTrend("percent", -0.5, days)


def radio(snr: float, missed: int = 0) -> Radio:
    return Radio(snr, -110, 10, missed)


EDGES = {
    "silent": (Facts(silent=True, last_seen_at=NOW - DAY), Facts(), None),
    "stuck": (
        Facts(occupied=True, unchanged_since=NOW - 7 * DAY),
        Facts(occupied=True, unchanged_since=NOW - 7 * DAY + HOUR),
        None,
    ),
    "flapping": (Facts(flap_score=6.0), Facts(flap_score=2.9), Facts(flap_score=5.9)),
    "battery_low": (Facts(battery_percent=20), Facts(battery_percent=25.1), Facts(battery_percent=24.9)),
    "battery_falling": (Facts(trend=falling(30)), Facts(trend=falling(45.1)), Facts(trend=falling(44.9))),
    "weak_radio": (Facts(radio=radio(-12.5)), Facts(radio=radio(-9.9)), Facts(radio=radio(-10.1))),
    "decoder_errors": (Facts(decoder=ErrorRun(9, 3, NOW)), Facts(decoder=ErrorRun(9)), Facts(decoder=ErrorRun(9, 1))),
    "network_errors": (Facts(network=ErrorRun(9, 10, NOW)), Facts(), Facts(network=ErrorRun(9, 9))),
    "profile_warning": (Facts(codec="x", codec_warning="sees people, not cars"), Facts(codec="x"), None),
}
"""What opens an alert, what closes it, and what keeps an open one open without opening it."""


def test_every_kind_has_its_edges_here() -> None:
    assert EDGES.keys() == JUDGES.keys()


@pytest.mark.parametrize("kind", JUDGES)
def test_an_alert_opens_stays_and_closes_at_its_edges(kind: str) -> None:
    opens, closes, between = EDGES[kind]
    assert [one.kind for one in findings(opens, USUAL, (), NOW)] == [kind]
    assert [one.kind for one in findings(opens, USUAL, {kind}, NOW)] == [kind]
    assert findings(closes, USUAL, {kind}, NOW) == []
    if between is not None:
        assert findings(between, USUAL, (), NOW) == []
        assert [one.kind for one in findings(between, USUAL, {kind}, NOW)] == [kind]


@pytest.mark.parametrize("kind", sorted(set(JUDGES) - {"silent", "flapping", "profile_warning"}))
def test_a_threshold_of_zero_switches_a_kind_off(kind: str) -> None:
    assert findings(EDGES[kind][0], OFF, {kind}, NOW) == []


def test_volts_count_where_a_device_tells_no_per_cent() -> None:
    assert [one.details for one in findings(Facts(battery_volts=2.95), USUAL, (), NOW)] == [{"battery_volts": 2.95}]
    assert findings(Facts(battery_volts=2.95, battery_percent=80), USUAL, (), NOW) == []


def test_external_power_needs_no_battery() -> None:
    assert findings(Facts(battery_percent=1, trend=falling(1), external_power=True), USUAL, (), NOW) == []


def test_a_silent_or_unheard_sensor_is_not_stuck() -> None:
    old = NOW - 30 * DAY
    assert [one.kind for one in findings(Facts(silent=True, occupied=True, unchanged_since=old), USUAL, (), NOW)] == [
        "silent"
    ]
    assert findings(Facts(unchanged_since=old), USUAL, (), NOW) == []


def test_lost_frames_are_weak_radio_too_and_few_frames_tell_nothing() -> None:
    assert [one.details["lost_percent"] for one in findings(Facts(radio=radio(5, 10)), USUAL, (), NOW)] == [50.0]
    assert findings(Facts(radio=Radio(-19, -120, 4, 4)), USUAL, (), NOW) == []


def test_a_run_of_errors_grows_with_the_counter_and_ends_when_it_is_quiet() -> None:
    quiet = 6 * HOUR
    run = follow(ErrorRun(), 2, NOW, quiet)
    assert run == ErrorRun(2, 2, NOW)
    run = follow(run, 5, NOW + HOUR, quiet)
    assert run == ErrorRun(5, 5, NOW + HOUR)
    assert follow(run, 5, NOW + 6 * HOUR, quiet) == run
    run = follow(run, 5, NOW + 8 * HOUR, quiet)
    assert run == ErrorRun(5)
    assert follow(run, 6, NOW + DAY, quiet) == ErrorRun(6, 1, NOW + DAY)
    assert follow(ErrorRun(9), 1, NOW, quiet) == ErrorRun(1, 1, NOW)


@given(st.lists(st.integers(0, 3), max_size=30))
def test_a_run_counts_every_error_while_it_is_not_quiet(rises: list[int]) -> None:
    run, counter = ErrorRun(), 0
    for number, rise in enumerate(rises):
        counter += rise
        run = follow(run, counter, NOW + number * HOUR, timedelta(days=100))
    assert (run.seen, run.run) == (counter, counter)


def test_a_battery_that_falls_has_days_left() -> None:
    month = Slope(readings=30, days=30, per_day=-0.5)
    assert battery_trend("percent", 20, month) == BatteryTrend("percent", -0.5, 40)
    assert battery_trend("volts", 3.1, Slope(30, 30, -0.01)) == BatteryTrend("volts", -0.01, pytest.approx(60))
    assert battery_trend("volts", 2.4, Slope(30, 30, -0.01)) == BatteryTrend("volts", -0.01, 0.0)


@pytest.mark.parametrize("slope", [Slope(), Slope(9, 30, -1), Slope(30, 2.9, -1), Slope(30, 30, None)])
def test_too_few_readings_or_days_are_no_trend(slope: Slope) -> None:
    assert battery_trend("percent", 50, slope) is None


@pytest.mark.parametrize("per_day", [0.2, 0.0, -0.001])
def test_a_battery_that_does_not_fall_is_never_empty(per_day: float) -> None:
    assert battery_trend("percent", 50, Slope(30, 30, per_day)) == BatteryTrend("percent", per_day, None)
