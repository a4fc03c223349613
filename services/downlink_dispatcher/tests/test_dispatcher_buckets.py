"""Token buckets: never more than the limit in any stretch of time, however the tokens are asked for."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downlink_dispatcher.domain.buckets import Bucket, Limits, Purse, capacity, filled, keys_of

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
LIMITS = Limits(per_gateway=30, per_tenant=100)
TENANT = UUID(int=1)
GATEWAY_KEY, TENANT_KEY = keys_of(TENANT, "aa")


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def purse(gateway: float, tenant: float) -> Purse:
    return Purse({GATEWAY_KEY: Bucket(gateway, NOW), TENANT_KEY: Bucket(tenant, NOW)}, LIMITS, NOW)


def test_a_downlink_falls_under_its_gateway_and_its_tenant():
    assert keys_of(TENANT, "aa") == ("gateway:aa", f"tenant:{TENANT}")
    assert keys_of(TENANT, None) == (f"tenant:{TENANT}",)


@pytest.mark.parametrize(
    ("tokens", "seconds", "expected"),
    [(0, 2, 1), (0, 60, 30), (0, 600, 30), (29.5, 10, 30), (5, -10, 5), (45, 0, 30)],
)
def test_a_bucket_fills_evenly_up_to_a_minutes_worth(tokens: float, seconds: float, expected: float):
    assert filled(Bucket(tokens, NOW), 30, after(seconds)).tokens == expected


def test_a_limit_below_one_a_minute_still_lets_one_through():
    assert capacity(0.5) == 1
    assert filled(Bucket(0, NOW), 0.5, after(120)).tokens == 1


def test_both_tokens_are_taken_or_none():
    one = purse(gateway=5, tenant=0)
    assert one.take((GATEWAY_KEY, TENANT_KEY)) == after(0.6)
    assert one.left([GATEWAY_KEY])[GATEWAY_KEY].tokens == 5
    assert one.taken == set()
    assert one.take((GATEWAY_KEY,)) is None
    assert one.left([GATEWAY_KEY])[GATEWAY_KEY].tokens == 4


def test_those_who_wait_are_told_one_moment_after_the_other():
    one = purse(gateway=0.5, tenant=100)
    assert [one.take((GATEWAY_KEY, TENANT_KEY)) for _ in range(3)] == [after(1), after(3), after(5)]


# Times between takes and how many are asked for at once.
asks = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 60)), min_size=1, max_size=30)


@given(asks=asks)
def test_no_stretch_of_time_sees_more_than_the_limit(asks: list[tuple[float, int]]):
    bucket, now = Bucket(30, NOW), 0.0
    taken: list[float] = []
    for pause, wanted in asks:
        now += pause
        one = Purse({GATEWAY_KEY: bucket}, LIMITS, after(now))
        taken += [now for _ in range(wanted) if one.take((GATEWAY_KEY,)) is None]
        bucket = one.left([GATEWAY_KEY])[GATEWAY_KEY]
        assert bucket.tokens >= 0
    for first, begun in enumerate(taken):
        for last in range(first, len(taken)):
            assert last - first + 1 <= 30 + (taken[last] - begun) * 0.5 + 1e-3


@given(asks=asks)
def test_whoever_comes_when_told_and_alone_gets_a_token(asks: list[tuple[float, int]]):
    bucket, now = Bucket(30, NOW), 0.0
    for pause, wanted in asks:
        now += pause
        one = Purse({GATEWAY_KEY: bucket}, LIMITS, after(now))
        told = [until for _ in range(wanted) if (until := one.take((GATEWAY_KEY,))) is not None]
        bucket = one.left([GATEWAY_KEY])[GATEWAY_KEY]
        if told:
            assert Purse({GATEWAY_KEY: bucket}, LIMITS, told[0]).take((GATEWAY_KEY,)) is None
