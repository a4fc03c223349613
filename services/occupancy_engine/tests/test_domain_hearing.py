"""What one reading does to its device: confirmation against flapping, silence lifted, stays begun and ended."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occupancy_engine.domain.health import flap_score, is_silent, silence_seconds
from occupancy_engine.domain.hearing import Device, StayBegun, StayEnded, confirm, hear
from occupancy_engine.domain.stays import Reading

DAWN = datetime(2026, 7, 22, 6, tzinfo=UTC)


def second(number: float) -> datetime:
    return DAWN + timedelta(seconds=number)


def reading(f_cnt: int, occupied: bool, at: float | None = None) -> Reading:
    moment = second(f_cnt if at is None else at)
    return Reading((DAWN, f_cnt), moment, moment, occupied)


def device(**given) -> Device:
    return Device(tenant_id=uuid4(), dev_eui="0101010101010101", space_id=uuid4(), assigned_at=DAWN, **given)


def test_the_first_reading_is_shown_and_only_changes_after_it():
    one = device()
    assert [hear(one, reading(n, told)).shows for n, told in enumerate([False, False, True, True, False])] == [
        *(True, False, True, False, True)
    ]
    assert one.occupied is False
    assert one.occupied_since == second(4)


def test_an_older_reading_is_late_and_moves_nothing():
    one = device()
    hear(one, reading(5, True))
    heard = hear(one, reading(4, False))
    assert (heard.late, heard.shows, heard.stay) == (True, False, None)
    assert (one.occupied, one.newest.place) == (True, (DAWN, 5))


def test_a_stay_begins_with_the_first_occupied_reading_and_ends_with_the_first_free_one():
    one = device()
    moves = [hear(one, reading(n, told)).stay for n, told in enumerate([False, True, True, False, False])]
    assert [type(move) for move in moves] == [type(None), StayBegun, type(None), StayEnded, type(None)]
    assert moves[1].id == moves[3].id
    assert (moves[1].reading.occurred_at, moves[3].departed_at) == (second(1), second(3))


@pytest.mark.parametrize("space_id", [None, uuid4()])
def test_a_reading_from_before_the_assignment_begins_no_stay(space_id):
    one = Device(tenant_id=uuid4(), dev_eui="0101010101010101", space_id=space_id, assigned_at=second(10))
    heard = hear(one, reading(9, True))
    assert heard.stay is None
    assert one.occupied is True


def test_a_change_is_held_back_until_it_has_lasted():
    one = device(confirm_seconds=60)
    assert hear(one, reading(0, False)).shows  # nothing was shown before: nothing to protect
    assert not hear(one, reading(100, True)).shows
    assert not confirm(one, second(159.9))
    assert confirm(one, second(160))
    assert (one.occupied, one.occupied_since, one.pending) == (True, second(100), None)
    assert not confirm(one, second(1000))


def test_a_change_taken_back_in_time_is_never_shown():
    one = device(confirm_seconds=60)
    hear(one, reading(0, False))
    for n in range(1, 20):
        assert not hear(one, reading(n, n % 2 == 1)).shows
    hear(one, reading(20, False))
    assert one.pending is None
    assert not confirm(one, second(1000))
    assert one.occupied is False


def test_the_window_runs_from_the_first_reading_of_a_change():
    one = device(confirm_seconds=60)
    hear(one, reading(0, False))
    hear(one, reading(10, True))
    hear(one, reading(50, True))
    assert confirm(one, second(70))
    assert one.occupied_since == second(10)


@pytest.mark.parametrize("told", [True, False])
def test_any_reading_lifts_silence_at_once_even_with_a_window(told):
    one = device(confirm_seconds=60)
    hear(one, reading(0, False))
    one.silent = True
    assert hear(one, reading(500, told)).shows
    assert (one.silent, one.occupied) == (False, told)


def test_a_late_reading_does_not_lift_silence():
    one = device()
    hear(one, reading(9, False))
    one.silent = True
    assert not hear(one, reading(3, True)).shows
    assert one.silent


def test_the_flap_score_counts_changes_and_halves_in_ten_minutes():
    assert flap_score(0, None, DAWN) == 1
    assert flap_score(4, DAWN, DAWN + timedelta(minutes=10)) == 3
    assert flap_score(4, DAWN, DAWN - timedelta(hours=1)) == 5
    flapping, calm = device(), device()
    for n in range(8):
        hear(flapping, reading(n, n % 2 == 0, at=n))
        hear(calm, reading(n, n % 2 == 0, at=n * 3600))
    assert flapping.flap_score > 6
    assert calm.flap_score < 1.1


@pytest.mark.parametrize(
    ("heard", "resumed", "until", "silent"),
    [
        (0, -1000, 30, False),
        (0, -1000, 30.001, True),  # three heartbeats of 10 s missed
        (0, 1000, 1005, False),  # an outage of ours has just ended
        (0, 1000, 1010, False),  # one full interval after it
        (0, 1000, 1010.001, True),
        (1005, 1000, 1035, False),
        (1005, 1000, 1035.001, True),
        (0, 25, 34, False),  # a short outage never shortens the time a device has
        (0, 25, 35.001, True),
    ],
)
def test_a_device_is_silent_after_its_missed_heartbeats_but_never_by_our_own_outage(heard, resumed, until, silent):
    assert silent is is_silent(
        heard_at=second(heard),
        interval_seconds=10,
        silence_seconds=silence_seconds(10),
        heard_until=second(until),
        resumed_at=second(resumed),
    )


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(0, 5))
def test_what_is_shown_in_the_end_is_the_last_word_once_the_window_has_passed(told, confirm_seconds):
    one = device(confirm_seconds=confirm_seconds)
    for n, occupied in enumerate(told):
        confirm(one, second(n))
        hear(one, reading(n, occupied))
    confirm(one, second(1000))
    assert one.occupied is told[-1]
