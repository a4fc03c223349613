"""Where a frame stands in its device's life: the rules of sessions, duplicates and late frames, as tables."""

from datetime import UTC, datetime, timedelta

import pytest

from occupancy_engine.domain.sessions import (
    PAST_SESSIONS,
    UNTIMED_GRACE,
    WINDOW,
    Arrival,
    Frame,
    Placement,
    Sessions,
    place,
)

DAWN = datetime(2026, 7, 22, 6, tzinfo=UTC)
NEWEST, LATE, MAYBE_SEEN, DUPLICATE = Arrival.NEWEST, Arrival.LATE, Arrival.MAYBE_SEEN, Arrival.DUPLICATE


def minute(number: float) -> datetime:
    return DAWN + timedelta(minutes=number)


def frame(dev_addr: str, f_cnt: int, at: float, *, timed: bool = True) -> Frame:
    return Frame(dev_addr, f_cnt, minute(at), timed)


def heard(*frames: Frame) -> tuple[list[Placement], Sessions]:
    """Place frames one after another."""
    sessions, placements = Sessions(), []
    for one in frames:
        placements.append(place(sessions, one))
        sessions = placements[-1].sessions
    return placements, sessions


def arrivals(*frames: Frame) -> list[Arrival]:
    return [one.arrival for one in heard(*frames)[0]]


def test_the_first_frame_opens_a_session_at_its_own_time_whatever_its_count():
    (placement,), sessions = heard(frame("a", 4711, 3))
    assert (placement.arrival, placement.session_at) == (NEWEST, minute(3))
    assert (sessions.current.highest, sessions.current.seen, sessions.past) == (4711, 1, ())


def test_counts_that_rise_are_new_with_or_without_gaps():
    assert arrivals(*(frame("a", n, n) for n in (0, 1, 5, 68, 69, 500))) == [NEWEST] * 6


@pytest.mark.parametrize(
    ("behind", "expected"),
    [(1, LATE), (62, LATE), (63, LATE), (64, MAYBE_SEEN), (65, MAYBE_SEEN), (99, MAYBE_SEEN)],
)
def test_a_frame_behind_the_newest_is_late_and_beyond_the_window_only_the_store_knows(behind, expected):
    placements, sessions = heard(frame("a", 100, 100), frame("a", 100 - behind, 100 - behind))
    assert placements[-1].arrival is expected
    assert placements[-1].session_at == minute(100)
    assert sessions.current.highest == 100


@pytest.mark.parametrize("behind", [0, 1, 62, 63])
def test_a_frame_inside_the_window_is_taken_once(behind):
    again = frame("a", 100 - behind, 100 - behind)
    assert arrivals(frame("a", 100, 100), again, again)[-1] is DUPLICATE


@pytest.mark.parametrize("jump", [63, 64, 65, 1000])
def test_the_window_moves_with_the_newest_and_forgets_what_it_left(jump):
    _, sessions = heard(frame("a", 0, 0), frame("a", jump, jump))
    assert sessions.current.seen == ((1 << jump) | 1 if jump < WINDOW else 1)
    assert place(sessions, frame("a", 0, 0)).arrival is (DUPLICATE if jump < WINDOW else MAYBE_SEEN)


def test_counts_of_32_bits_fit():
    top = 2**32 - 1
    assert arrivals(frame("a", top - 1, 1), frame("a", top, 2), frame("a", top - 1, 1)) == [NEWEST, NEWEST, DUPLICATE]


def test_an_unknown_address_opens_the_next_session_even_with_a_lower_count():
    placements, sessions = heard(frame("a", 900, 1), frame("b", 0, 2), frame("b", 1, 3))
    assert [one.arrival for one in placements] == [NEWEST] * 3
    assert placements[1].session_at == minute(2) == placements[2].session_at
    assert [one.dev_addr for one in sessions.past] == ["a"]


def test_an_unknown_address_at_the_very_time_of_the_session_is_newer():
    assert arrivals(frame("a", 5, 1), frame("b", 0, 1)) == [NEWEST, NEWEST]


def test_an_address_known_from_before_is_late_at_its_own_session():
    placements, sessions = heard(frame("a", 9, 9), frame("b", 0, 20), frame("a", 10, 10))
    assert (placements[-1].arrival, placements[-1].session_at) == (MAYBE_SEEN, minute(9))
    assert sessions.current.dev_addr == "b"


def test_an_unknown_address_from_before_the_session_is_late_and_remembered_in_order():
    placements, sessions = heard(frame("c", 0, 30), frame("a", 5, 10), frame("b", 5, 20), frame("a", 6, 11))
    assert [one.arrival for one in placements] == [NEWEST, LATE, LATE, MAYBE_SEEN]
    assert [one.dev_addr for one in sessions.past] == ["b", "a"]
    assert placements[-1].session_at == minute(10)


def test_only_the_last_sessions_are_remembered():
    _, sessions = heard(*(frame(f"addr{n}", 0, n) for n in range(10)))
    assert [one.dev_addr for one in sessions.past] == [f"addr{n}" for n in (8, 7, 6, 5)]
    assert len(sessions.past) == PAST_SESSIONS


def test_a_frame_of_a_session_too_old_to_be_remembered_is_looked_up():
    _, sessions = heard(*(frame(f"addr{n}", 0, n) for n in range(10, 20)))
    placement = place(sessions, frame("before", 3, 1))
    assert (placement.arrival, placement.session_at) == (MAYBE_SEEN, minute(1))
    assert placement.sessions == sessions


@pytest.mark.parametrize(
    ("f_cnt", "at", "expected"),
    [
        (35, 101, NEWEST),  # 65 behind and later: reset
        (0, 101, NEWEST),
        (36, 101, MAYBE_SEEN),  # 64 behind: no reset yet
        (37, 101, LATE),  # in the window
        (35, 100, MAYBE_SEEN),  # not later than what was heard
        (35, 35, MAYBE_SEEN),
    ],
)
def test_a_device_is_reset_when_its_count_falls_out_of_the_window_at_a_later_time(f_cnt, at, expected):
    placements, _ = heard(frame("a", 100, 100), frame("a", f_cnt, at))
    assert placements[-1].arrival is expected
    assert placements[-1].session_at == minute(101 if expected is NEWEST else 100)


def test_after_a_reset_the_old_counts_go_to_the_old_session():
    placements, sessions = heard(frame("a", 5000, 10), frame("a", 0, 20), frame("a", 4999, 9), frame("a", 5001, 11))
    assert [one.arrival for one in placements] == [NEWEST, NEWEST, MAYBE_SEEN, MAYBE_SEEN]
    assert {one.session_at for one in placements[2:]} == {minute(10)}
    assert (sessions.current.highest, sessions.current.session_at) == (0, minute(20))


def test_what_is_left_of_a_session_heard_only_after_its_reset_is_older():
    placements, _ = heard(frame("a", 0, 20), frame("a", 4999, 9), frame("a", 5000, 10))
    assert [one.arrival for one in placements] == [NEWEST, LATE, MAYBE_SEEN]
    assert {one.session_at for one in placements[1:]} == {minute(9)}


@pytest.mark.parametrize("old_count", [0, 10, 70, 5000])
def test_a_join_that_gives_back_an_old_address_does_not_mute_the_device(old_count):
    placements, _ = heard(
        frame("a", old_count, 1), frame("b", 0, 10), frame("a", 0, 20), frame("a", 1, 21), frame("a", 2, 22)
    )
    assert [one.arrival for one in placements] == [NEWEST] * 5
    assert {one.session_at for one in placements[2:]} == {minute(20)}


@pytest.mark.parametrize("timed", [True, False])
def test_join_after_join_every_frame_is_new(timed):
    frames = [frame(f"addr{join}", n, 60 * join + n, timed=timed) for join in range(8) for n in range(5)]
    assert arrivals(*frames) == [NEWEST] * 40


def test_without_a_network_time_a_late_frame_stays_late_for_a_while():
    frames = (frame("a", 9, 0, timed=False), frame("b", 0, 1, timed=False), frame("a", 8, 2, timed=False))
    assert arrivals(*frames) == [NEWEST, NEWEST, MAYBE_SEEN]


def test_without_a_network_time_a_late_frame_of_an_unknown_session_mutes_no_longer_than_the_grace():
    grace = UNTIMED_GRACE.total_seconds() / 60
    placements, _ = heard(
        frame("b", 5, 0, timed=False),
        frame("a", 99, 1, timed=False),  # older, which nothing shows
        frame("b", 6, 2, timed=False),
        frame("b", 7, 1.5 + grace, timed=False),
        frame("b", 8, 2.5 + grace, timed=False),
    )
    assert [one.arrival for one in placements] == [NEWEST, NEWEST, MAYBE_SEEN, NEWEST, NEWEST]


def test_without_a_network_time_a_reset_mutes_no_longer_than_the_grace():
    grace = UNTIMED_GRACE.total_seconds() / 60
    assert arrivals(
        frame("a", 5000, 0, timed=False),
        frame("a", 0, 1, timed=False),
        frame("a", 1, 0.5 + grace, timed=False),
        frame("a", 2, 1.5 + grace, timed=False),
    ) == [NEWEST, MAYBE_SEEN, NEWEST, NEWEST]
