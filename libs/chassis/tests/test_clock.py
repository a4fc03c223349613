"""A clock goes on, whatever one of its rounds came to."""

import asyncio

from parking_chassis.clock import every


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
