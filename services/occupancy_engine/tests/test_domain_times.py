"""Which clock dates a frame, and which orders its session: the edges of what is believed."""

from datetime import UTC, datetime, timedelta

import pytest

from occupancy_engine.domain.times import occurred_at, session_time

RECEIVED = datetime(2026, 7, 22, 16, tzinfo=UTC)
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
BIT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        (-7 * DAY - BIT, timedelta(0)),
        (-7 * DAY, -7 * DAY),
        (-SECOND, -SECOND),
        (timedelta(0), timedelta(0)),
        (5 * SECOND, timedelta(0)),  # believed, but nothing happens after we hear of it
        (5 * SECOND + BIT, timedelta(0)),
    ],
)
@pytest.mark.parametrize("clock_used", ["network", "time"])
def test_a_time_is_believed_from_seven_days_before_to_five_seconds_after_the_receipt(offset, expected, clock_used):
    clocks = {"ns_times": [RECEIVED + offset], "time": None}
    if clock_used == "time":
        clocks = {"ns_times": [], "time": RECEIVED + offset}
    assert occurred_at(**clocks, received_at=RECEIVED, clock="live") == RECEIVED + expected


def test_the_earliest_network_time_counts():
    times = [RECEIVED - SECOND, RECEIVED - 3 * SECOND, RECEIVED - 2 * SECOND]
    happened = occurred_at(ns_times=times, time=RECEIVED - DAY, received_at=RECEIVED, clock="live")
    assert happened == RECEIVED - 3 * SECOND


@pytest.mark.parametrize("year", [1, 1970, 2099, 9999])
def test_an_absurd_network_time_gives_way_to_time_and_an_absurd_time_to_the_receipt(year):
    absurd = datetime(year, 1, 1, tzinfo=UTC)
    given = {"received_at": RECEIVED, "clock": "live"}
    assert occurred_at(ns_times=[absurd], time=RECEIVED - SECOND, **given) == RECEIVED - SECOND
    assert occurred_at(ns_times=[absurd], time=absurd, **given) == RECEIVED
    assert occurred_at(ns_times=[], time=absurd, **given) == RECEIVED
    assert session_time(ns_times=[absurd], time=RECEIVED, **given) == (RECEIVED, False)


@pytest.mark.parametrize("year", [1970, 2016, 2099])
def test_a_recording_is_taken_at_its_word(year):
    told = datetime(year, 11, 14, tzinfo=UTC)
    clocks = {"ns_times": [RECEIVED], "received_at": RECEIVED, "clock": "recorded"}
    assert occurred_at(time=told, **clocks) == told
    assert session_time(time=told, **clocks) == (told, True)
    assert occurred_at(time=None, **clocks) == RECEIVED
    assert session_time(time=None, **clocks) == (RECEIVED, False)


def test_sessions_are_ordered_by_the_network_server_and_else_by_the_receipt():
    given = {"time": RECEIVED - DAY, "received_at": RECEIVED, "clock": "live"}
    assert session_time(ns_times=[RECEIVED - SECOND, RECEIVED - 2 * SECOND], **given) == (RECEIVED - 2 * SECOND, True)
    assert session_time(ns_times=[], **given) == (RECEIVED, False)
