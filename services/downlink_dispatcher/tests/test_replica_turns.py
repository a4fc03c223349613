"""Turns that replicas take: one has it at a time, and one that is stopped in the middle of it does not keep it."""

import asyncpg
import pytest

from downlink_dispatcher.store.replica_turns import SWEEP, end_turn, take_turn
from stack.display_street import Street
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_turn_is_had_once_until_it_ends(street: Street) -> None:
    async with street.pool.acquire() as one, street.pool.acquire() as other:
        assert await take_turn(one, SWEEP)
        assert not await take_turn(other, SWEEP)
        await end_turn(one, SWEEP)
        assert await take_turn(other, SWEEP)
        await end_turn(other, SWEEP)
        for connection in (one, other):
            assert await connection.fetchval("SHOW idle_session_timeout") == "0"


async def test_a_replica_that_is_stopped_in_its_turn_loses_it(street: Street) -> None:
    async with street.pool.acquire() as stopped, street.pool.acquire() as other:
        assert await take_turn(stopped, SWEEP, silent_seconds=0.2)
        await eventually(lambda: take_turn(other, SWEEP))
        with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresConnectionError)):
            await end_turn(stopped, SWEEP)
        await end_turn(other, SWEEP)
