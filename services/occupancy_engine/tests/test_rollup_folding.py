"""The day of a space: what a local day is, how stays fill its quarter hours, and what is counted where."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from occupancy_engine.domain.rollup import Lasting, Presence, Tally, by_hour, fold_space
from parking_contracts.local_days import QUARTER, LocalDay, local_day

ALWAYS = Presence(-(1 << 60), 1 << 60, 0)
DAY = local_day("Europe/Zurich", date(2026, 5, 4))
MINUTE, HOUR = 60, 3600


def second(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def stay(begins: int, ends: int, *, running: bool = False) -> Lasting:
    """From second to second of DAY."""
    arrived, ended = DAY.starts_at + begins, DAY.starts_at + ends
    return Lasting(arrived, ended, None if running else ended, None if running else float(ends - begins))


@pytest.mark.parametrize(
    ("zone", "day", "hours", "starts_at"),
    [
        ("Europe/Zurich", date(2026, 5, 4), [4] * 24, "2026-05-04T00:00+02:00"),
        ("Europe/Zurich", date(2026, 3, 29), [4] * 23, "2026-03-29T00:00+01:00"),
        ("Europe/Zurich", date(2026, 10, 25), [4] * 25, "2026-10-25T00:00+02:00"),
        ("Asia/Kathmandu", date(2026, 10, 25), [4] * 24, "2026-10-25T00:00+05:45"),
        # half an hour: 02:00 becomes 02:30, and half a year later 02:00 becomes 01:30
        ("Australia/Lord_Howe", date(2026, 10, 4), [4, 4, 2, *[4] * 21], "2026-10-04T00:00+10:30"),
        ("Australia/Lord_Howe", date(2026, 4, 5), [4, 4, 2, *[4] * 22], "2026-04-05T00:00+11:00"),
        # the clocks skip midnight
        ("Africa/Cairo", date(2026, 4, 24), [4] * 23, "2026-04-24T01:00+03:00"),
        # and midnight comes twice: the day ends with the second 23rd hour
        ("Africa/Cairo", date(2026, 10, 29), [4] * 25, "2026-10-29T00:00+03:00"),
        # no such day: Samoa changed sides
        ("Pacific/Apia", date(2011, 12, 30), [], "2011-12-31T00:00+14:00"),
    ],
)
def test_a_local_day_is_as_long_as_its_clocks_say(zone, day, hours, starts_at) -> None:
    found = local_day(zone, day)
    assert list(found.hour_quarters) == hours
    assert found.starts_at == second(starts_at)
    assert found.ends_at - found.starts_at == sum(hours) * QUARTER
    assert found.ends_at == local_day(zone, day + timedelta(days=1)).starts_at


@given(
    st.sampled_from(["Europe/Zurich", "Australia/Lord_Howe", "America/Havana", "Asia/Kathmandu", "Pacific/Chatham"]),
    st.dates(date(1975, 1, 1), date(2037, 12, 30)),
)
def test_days_follow_each_other_and_cover_what_the_zone_calls_by_their_date(zone, day) -> None:
    found = local_day(zone, day)
    assert found.ends_at == local_day(zone, day + timedelta(days=1)).starts_at
    for moment in (found.starts_at, found.ends_at - 1):
        assert datetime.fromtimestamp(moment, ZoneInfo(zone)).date() == day


def test_a_stay_fills_the_quarters_it_lasts_through() -> None:
    tally = fold_space(DAY, [ALWAYS], [stay(10 * MINUTE, 50 * MINUTE)], DAY.ends_at)
    assert tally.occupied[:5] == [300, 900, 900, 300, 0]
    assert tally.watched == [900] * 96
    assert by_hour(DAY, tally.occupied)[:2] == [2400, 0]
    assert (tally.arrivals, tally.departures, tally.dwell_seconds, sum(tally.dwell.values())) == (1, 1, 2400, 1)
    assert tally.peak() == 1


def test_a_stay_over_midnight_arrives_on_one_day_and_departs_on_the_next() -> None:
    long = stay(23 * HOUR, 26 * HOUR)
    first = fold_space(DAY, [ALWAYS], [long], 1 << 60)
    second_day = local_day("Europe/Zurich", DAY.day + timedelta(days=1))
    then = fold_space(second_day, [ALWAYS], [long], 1 << 60)
    assert (sum(first.occupied), first.arrivals, first.departures) == (HOUR, 1, 0)
    assert (sum(then.occupied), then.arrivals, then.departures) == (2 * HOUR, 0, 1)


def test_a_running_day_counts_until_now() -> None:
    tally = fold_space(DAY, [ALWAYS], [stay(HOUR, 2 * HOUR, running=True)], DAY.starts_at + 90 * MINUTE)
    assert (sum(tally.occupied), sum(tally.watched)) == (30 * MINUTE, 90 * MINUTE)
    assert (tally.arrivals, tally.departures, tally.dwell) == (1, 0, {})


def test_a_stay_that_the_sensors_removal_ended_has_no_dwell() -> None:
    cut = Lasting(DAY.starts_at, DAY.starts_at + HOUR, None, None)
    tally = fold_space(DAY, [ALWAYS], [cut], DAY.ends_at)
    assert (sum(tally.occupied), tally.arrivals, tally.departures, tally.dwell) == (HOUR, 1, 0, {})


def test_two_sensors_do_not_occupy_a_second_twice() -> None:
    tally = fold_space(DAY, [ALWAYS], [stay(0, HOUR), stay(HOUR - 10, 2 * HOUR)], DAY.ends_at)
    assert tally.occupied[:8] == [900] * 8
    assert tally.arrivals == 2


def test_a_space_that_moved_leaves_its_past_where_it_was() -> None:
    moved_at = DAY.starts_at + HOUR
    before = [Presence(-(1 << 60), moved_at, DAY.starts_at)]
    after = [Presence(moved_at, 1 << 60, moved_at)]
    through = stay(30 * MINUTE, 90 * MINUTE)
    left = fold_space(DAY, before, [through], DAY.ends_at)
    right = fold_space(DAY, after, [through], DAY.ends_at)
    assert (sum(left.occupied), sum(left.watched), left.arrivals, left.departures) == (1800, 3600, 1, 0)
    assert (sum(right.occupied), sum(right.watched), right.arrivals, right.departures) == (1800, 23 * HOUR, 0, 1)


def test_without_a_sensor_a_space_is_watched_as_long_as_a_stay_says_so() -> None:
    nobody = Presence(DAY.starts_at, 1 << 60, None)
    assert fold_space(DAY, [nobody], [], DAY.ends_at).empty
    tally = fold_space(DAY, [nobody], [stay(0, HOUR)], DAY.ends_at)
    assert tally.watched == tally.occupied
    assert sum(tally.occupied) == HOUR


def test_a_recorded_day_before_the_space_was_made_is_watched_if_it_had_a_stay() -> None:
    made_later = Presence(-(1 << 60), 1 << 60, DAY.ends_at + 30 * 86_400)
    assert fold_space(DAY, [made_later], [], DAY.ends_at).empty
    tally = fold_space(DAY, [made_later], [stay(0, HOUR)], DAY.ends_at)
    assert (sum(tally.occupied), sum(tally.watched)) == (HOUR, 86_400)


moments = st.lists(st.integers(-86_400, 2 * 86_400), min_size=2, max_size=12, unique=True).map(sorted)


def in_pairs(numbers: list[int]) -> list[Lasting]:
    return [stay(begins, ends) for begins, ends in zip(numbers[::2], numbers[1::2], strict=False)]


@given(moments, st.integers(1, 86_399))
def test_the_parts_of_a_divided_day_add_up_to_the_whole(numbers, split) -> None:
    stays = in_pairs(numbers)
    middle = DAY.starts_at + split
    whole = fold_space(DAY, [Presence(0, 1 << 60, 0)], stays, DAY.ends_at)
    parts = Tally.of(DAY)
    parts.add(fold_space(DAY, [Presence(0, middle, 0)], stays, DAY.ends_at))
    parts.add(fold_space(DAY, [Presence(middle, 1 << 60, middle)], stays, DAY.ends_at))
    assert parts == whole


@given(moments)
def test_every_second_is_counted_as_a_plain_count_of_seconds_would(numbers) -> None:
    stays = in_pairs(numbers)
    tally = fold_space(DAY, [ALWAYS], stays, DAY.ends_at)
    for quarter in range(0, 96, 7):
        first = DAY.starts_at + quarter * QUARTER
        plain = sum(any(one.arrived_at <= s < one.ends_at for one in stays) for s in range(first, first + QUARTER, 60))
        assert abs(tally.occupied[quarter] - plain * 60) <= 60 * 2 * len(stays)
    assert sum(tally.occupied) == sum(
        max(0, min(one.ends_at, DAY.ends_at) - max(one.arrived_at, DAY.starts_at)) for one in stays
    )


def test_a_day_is_compared_by_value() -> None:
    assert local_day("UTC", date(2026, 1, 1)) == LocalDay(
        date(2026, 1, 1), second("2026-01-01T00:00+00:00"), second("2026-01-02T00:00+00:00"), (4,) * 24
    )
    assert datetime.fromtimestamp(DAY.starts_at, UTC) == datetime(2026, 5, 3, 22, tzinfo=UTC)
