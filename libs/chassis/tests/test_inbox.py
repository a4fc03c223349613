"""The inbox on a real database: one effect per key, the first answer again, and no key for two bodies."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from parking_chassis.inbox import answer_once
from parking_chassis.postgres import Pool, open_pool
from parking_chassis.settings import DatabaseSettings
from parking_contracts.command import Command
from parking_contracts.errors import Accepted, ErrorCode, Refusal, Reply

TENANT = UUID("00000000-0000-7000-8000-000000000001")


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    pool = await open_pool(DatabaseSettings(database_url=database), role="occupancy_engine")
    yield pool
    await pool.close()


class Effect:
    """A handler that counts how often it ran."""

    def __init__(self, reply: Reply) -> None:
        self.runs = 0
        self._reply = reply

    async def __call__(self) -> Reply:
        self.runs += 1
        return self._reply


def command(key: str | None, body_sha256: str = "x", caller: str = "user:1") -> Command[None]:
    return Command(
        tenant_id=TENANT, caller=caller, request_id="r", body=None, idempotency_key=key, body_sha256=body_sha256
    )


async def ask(pool: Pool, asked: Command[None], effect: Effect) -> Reply:
    async with pool.acquire() as connection, connection.transaction():
        return await answer_once(connection, "occupancy", asked, effect)


async def test_a_retry_replays_the_answer_and_repeats_no_effect(pool: Pool):
    effect = Effect(Accepted())
    answers = [await ask(pool, command("k"), effect) for _ in range(3)]
    assert answers == [Accepted()] * 3
    assert effect.runs == 1


async def test_a_refusal_is_an_answer_too(pool: Pool):
    effect = Effect(Refusal(code=ErrorCode.RECORD_NOT_FOUND, message="no such space"))
    assert await ask(pool, command("k"), effect) == await ask(pool, command("k"), effect)
    assert effect.runs == 1


async def test_the_same_key_with_another_body_is_refused(pool: Pool):
    await ask(pool, command("k"), Effect(Accepted()))
    effect = Effect(Accepted())
    reply = await ask(pool, command("k", body_sha256="y"), effect)
    assert isinstance(reply, Refusal)
    assert reply.code == ErrorCode.IDEMPOTENCY_KEY_REUSED
    assert effect.runs == 0


async def test_keys_belong_to_their_caller_and_without_one_nothing_is_remembered(pool: Pool):
    effect = Effect(Accepted())
    for asked in (command("k"), command("k", caller="user:2"), command(None), command(None)):
        await ask(pool, asked, effect)
    assert effect.runs == 4


async def test_an_effect_that_is_rolled_back_leaves_no_answer(pool: Pool):
    async def fail() -> Reply:
        raise RuntimeError("after the effect")

    with pytest.raises(RuntimeError):
        async with pool.acquire() as connection, connection.transaction():
            await answer_once(connection, "occupancy", command("k"), fail)
    effect = Effect(Accepted())
    await ask(pool, command("k"), effect)
    assert effect.runs == 1


async def test_of_simultaneous_requests_one_works_and_the_others_wait_for_its_answer(pool: Pool):
    effect = Effect(Accepted())
    answers = await asyncio.gather(*(ask(pool, command("k"), effect) for _ in range(6)))
    assert answers == [Accepted()] * 6
    assert effect.runs == 1


async def test_a_request_that_takes_too_long_lets_its_twin_go_with_a_clear_answer(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("parking_chassis.inbox.IN_FLIGHT_SECONDS", 0.2)
    started, finish = asyncio.Event(), asyncio.Event()

    async def slow() -> Reply:
        started.set()
        await finish.wait()
        return Accepted()

    async with pool.acquire() as connection, connection.transaction():
        first = asyncio.create_task(answer_once(connection, "occupancy", command("k"), slow))
        await started.wait()
        reply = await ask(pool, command("k"), Effect(Accepted()))
        finish.set()
        await first
    assert isinstance(reply, Refusal)
    assert reply.code == ErrorCode.REQUEST_IN_FLIGHT
