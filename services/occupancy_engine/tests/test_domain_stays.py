"""The fold of readings into stays, and its repair between neighbours."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occupancy_engine.domain.stays import Reading, Repair, Stay, fold, repair

DAWN = datetime(2026, 7, 22, 6, tzinfo=UTC)


def at(number: int) -> datetime:
    return DAWN + timedelta(minutes=number)


def told(pattern: str) -> list[Reading]:
    """`X` occupied, `-` free, a minute apart; a blank is a reading that never came."""
    return [Reading((DAWN, n), at(n), at(n), mark == "X") for n, mark in enumerate(pattern) if mark != " "]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", []),
        ("--", []),
        ("-X", [(1, None)]),
        ("X-", [(0, 1)]),
        ("XX--X", [(0, 2), (4, None)]),
        ("-X-X-", [(1, 2), (3, 4)]),
        ("X  -", [(0, 3)]),
    ],
)
def test_a_stay_lasts_from_the_first_occupied_reading_to_the_next_free_one(pattern, expected):
    assert [(stay.arrived_at, stay.departed_at) for stay in fold(told(pattern))] == [
        (at(begun), None if ended is None else at(ended)) for begun, ended in expected
    ]


def test_a_departure_is_never_before_its_arrival():
    arrival = Reading((DAWN, 1), at(9), at(9), occupied=True)
    departure = Reading((DAWN, 2), at(5), at(10), occupied=False)
    (stay,) = fold([arrival, departure])
    assert (stay.arrived_at, stay.departed_at) == (at(9), at(9))


def stored(stays: list[Stay]) -> list[Stay]:
    return [
        Stay(s.arrived, s.arrived_at, s.received_at, s.departed, s.departed_at, f"id{n}") for n, s in enumerate(stays)
    ]


def test_what_is_right_already_is_left_alone():
    readings = told("-XX-X-")
    assert repair(readings, stored(fold(readings))) == Repair((), ())


def test_a_running_stay_keeps_its_id_when_a_late_departure_splits_it():
    before = stored(fold(told("X   X")))
    mended = repair(told("X - X"), before)
    assert mended.removed == ()
    (first, running) = sorted(mended.written, key=lambda stay: stay.arrived)
    assert (first.id, first.departed_at) == (None, at(2))
    assert (running.id, running.arrived_at, running.departed_at) == ("id0", at(4), None)


def test_two_stays_become_one_when_their_middle_was_misread():
    mended = repair(told("XXXX-"), stored(fold(told("X-XX-"))))
    assert [stay.id for stay in mended.removed] == ["id0"]
    assert [(stay.id, stay.arrived_at, stay.departed_at) for stay in mended.written] == [("id1", at(0), at(4))]


def test_a_stay_ended_by_taking_the_sensor_off_keeps_that_end():
    ended = Stay((DAWN, 2), at(2), at(2), None, at(9), "id0")
    mended = repair(told(" XX"), [ended])
    assert [(stay.id, stay.arrived_at, stay.departed_at) for stay in mended.written] == [("id0", at(1), at(9))]


@given(st.text("X-", min_size=1, max_size=40), st.data())
def test_folding_a_stretch_again_between_its_neighbours_is_folding_everything(pattern, data):
    whole = told(pattern)
    missing = data.draw(st.sets(st.integers(0, len(whole) - 1), min_size=1))
    stays = {stay.id: stay for stay in stored(fold([one for n, one in enumerate(whole) if n not in missing]))}
    first, last = max(min(missing) - 1, 0), min(max(missing) + 1, len(whole) - 1)
    low, high = whole[first].place, whole[last].place
    in_order = sorted(stays.values(), key=lambda stay: stay.arrived)
    touching = [stay for stay in in_order if stay.arrived < low][-1:]
    touching += [stay for stay in in_order if low <= stay.arrived <= high]
    mended = repair(whole[first : last + 1], touching)
    for stay in mended.removed:
        del stays[stay.id]
    for number, stay in enumerate(mended.written):
        stays[stay.id or f"new{number}"] = stay
    assert sorted((stay.arrived_at, stay.departed_at) for stay in stays.values()) == [
        (stay.arrived_at, stay.departed_at) for stay in fold(whole)
    ]
