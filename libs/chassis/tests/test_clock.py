"""A clock goes on, whatever one of its rounds came to."""

import asyncio

import pytest

from parking_chassis.clock import every, rest_after


async def test_a_clock_is_tried_again_after_an_outage_and_after_a_failure():
    stop, rounds = asyncio.Event(), []

    async def work() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise ConnectionRefusedError("the database is away")
        if len(rounds) == 2:
            raise ValueError("nobody thought of this")
        stop.set()

    async with asyncio.timeout(5):
        await every(0.001, stop, work)
    assert rounds == [0, 1, 2]


@pytest.mark.parametrize(
    ("took", "share", "rest"),
    [(10.0, None, 60.0), (1.0, 0.05, 60.0), (10.0, 0.05, 190.0), (100.0, 0.05, 600.0)],
)
def test_work_that_takes_long_is_done_more_seldom(took: float, share: float | None, rest: float):
    assert rest_after(took, 60.0, share) == rest
