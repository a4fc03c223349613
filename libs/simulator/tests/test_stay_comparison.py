"""The comparison finds every difference and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from parking_simulator.comparison import Difference, FoundStay, compare
from parking_simulator.stays import Interval, union

HOUR = 3_600
STAYS = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 30)).map(lambda pair: Interval(pair[0] * 60, sum(pair) * 60)),
    max_size=15,
).map(union)


def found(stays: list[Interval]) -> list[FoundStay]:
    return [FoundStay(*stay) for stay in stays]


@given(STAYS, st.integers(0, 59))
def test_the_same_stays_to_the_minute_are_no_difference(stays: list[Interval], seconds: int) -> None:
    shifted = [FoundStay(stay.start + seconds, stay.end + 59 - seconds) for stay in reversed(stays)]
    assert compare({"B1": stays}, {"B1": shifted}) == []


def test_a_stay_that_was_not_found_is_missing() -> None:
    assert compare({"B1": [Interval(0, HOUR)]}, {}) == [Difference("missing", "B1", Interval(0, HOUR), None)]


def test_a_stay_that_nobody_recorded_is_invented() -> None:
    stay = FoundStay(0, HOUR)
    assert compare({}, {"B1": [stay]}) == [Difference("invented", "B1", None, stay)]


def test_a_minute_more_is_a_difference() -> None:
    assert compare({"B1": [Interval(0, HOUR)]}, {"B1": [FoundStay(0, HOUR + 60)]}) == [
        Difference("different", "B1", Interval(0, HOUR), FoundStay(0, HOUR + 60))
    ]


def test_a_stay_that_has_not_ended_is_a_difference() -> None:
    assert compare({"B1": [Interval(0, HOUR)]}, {"B1": [FoundStay(0, None)]}) == [
        Difference("different", "B1", Interval(0, HOUR), FoundStay(0, None))
    ]


def test_a_stay_torn_in_two_is_different_and_invented() -> None:
    differences = compare({"B1": [Interval(0, HOUR)]}, {"B1": [FoundStay(0, 600), FoundStay(1200, HOUR)]})
    assert [difference.kind for difference in differences] == ["different", "invented"]


@given(STAYS, STAYS)
def test_differences_account_for_every_stay_on_either_side(recorded: list[Interval], other: list[Interval]) -> None:
    differences = compare({"B1": recorded}, {"B1": found(other)})
    kinds = [difference.kind for difference in differences]
    assert len(recorded) - kinds.count("missing") == len(other) - kinds.count("invented")
    assert (differences == []) == (recorded == other)
