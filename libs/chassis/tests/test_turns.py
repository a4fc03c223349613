"""Turns that replicas take: one has it at a time, and one that is stopped in the middle of it does not keep it."""

import asyncpg
import pytest

from parking_chassis.postgres import Pool
from parking_chassis.turns import end_turn, take_turn
from stack.waiting import eventually

TURN = "test.turn"


async def test_a_turn_is_had_once_until_it_ends(pool: Pool) -> None:
    async with pool.acquire() as one, pool.acquire() as other:
        assert await take_turn(one, TURN)
        assert not await take_turn(other, TURN)
        await end_turn(one, TURN)
        assert await take_turn(other, TURN)
        await end_turn(other, TURN)
        for connection in (one, other):
            assert await connection.fetchval("SHOW idle_session_timeout") == "0"


async def test_a_replica_that_is_stopped_in_its_turn_loses_it(pool: Pool) -> None:
    async with pool.acquire() as stopped, pool.acquire() as other:
        assert await take_turn(stopped, TURN, silent_seconds=0.2)
        await eventually(lambda: take_turn(other, TURN))
        with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresConnectionError)):
            await end_turn(stopped, TURN)
        await end_turn(other, TURN)
