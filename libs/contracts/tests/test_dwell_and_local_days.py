"""What writers and readers of figures agree on: buckets of dwell, and the hours of a local day."""

import math
from collections import Counter
from datetime import date, datetime
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from parking_contracts.dwell import bounds_of, bucket_of, quantile_of
from parking_contracts.local_days import local_day

durations = st.floats(0, 4e7, allow_nan=False)


@given(durations)
def test_a_duration_lies_within_the_bounds_of_its_bucket(seconds) -> None:
    over, up_to = bounds_of(bucket_of(seconds))
    assert over * (1 - 1e-9) <= seconds <= up_to * (1 + 1e-9)


@given(st.lists(st.floats(1, 4e7, allow_nan=False), min_size=1, max_size=60), st.floats(0.01, 1))
def test_a_quantile_is_within_five_per_cent_of_the_nearest_rank(lengths, share) -> None:
    exact = sorted(lengths)[max(1, math.ceil(share * len(lengths))) - 1]
    told = quantile_of(Counter(map(bucket_of, lengths)), share)
    assert told is not None
    assert abs(told / exact - 1) < 0.05


@given(st.lists(durations, max_size=30), st.lists(durations, max_size=30))
def test_histograms_of_parts_add_up_to_the_histogram_of_the_whole(some, others) -> None:
    assert Counter(map(bucket_of, some)) + Counter(map(bucket_of, others)) == Counter(map(bucket_of, some + others))


def test_of_no_stays_there_is_no_quantile() -> None:
    assert quantile_of({}, 0.5) is None


def test_hours_and_quarters_begin_where_the_local_clock_says() -> None:
    autumn = local_day("Europe/Zurich", date(2026, 10, 25))
    told = [datetime.fromtimestamp(second, ZoneInfo("Europe/Zurich")).isoformat() for second in autumn.hour_starts()]
    assert [one[11:] for one in told[1:5]] == ["01:00:00+02:00", "02:00:00+02:00", "02:00:00+01:00", "03:00:00+01:00"]
    assert (len(told), len(autumn.quarter_starts())) == (25, 100)
    assert autumn.quarter_starts()[0] == autumn.starts_at
