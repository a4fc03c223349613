"""Batches of events against a real JetStream: handled, held through an outage, isolated, set aside."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client

from parking_chassis import batch_subscriber
from parking_chassis.batch_subscriber import BatchSubscriber, Take
from parking_chassis.dead_letters import PoisonError
from parking_chassis.pull_consumer import Delivery
from parking_contracts.errors import DeadLetter, DeadLetterCode
from parking_contracts.streams import SPACES
from stack.waiting import eventually

SERVICE = "reservation_service"
SUBJECT = "parking.v1.space.t.s.created"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_subscriber, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(batch_subscriber, "NAK_SECONDS", 0.01)


@contextlib.asynccontextmanager
async def subscribed(client: Client, take: Take, **options: Any) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(BatchSubscriber(SERVICE, client, SPACES, take, **options).run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def store(client: Client, *bodies: bytes) -> None:
    for body in bodies:
        await client.jetstream().publish(SUBJECT, body)


async def all_acknowledged(client: Client) -> bool:
    info = await client.jetstream().consumer_info(SPACES.name, SERVICE)
    return info.num_pending == 0 and info.num_ack_pending == 0


async def letters(client: Client) -> list[DeadLetter]:
    count = (await client.jetstream().stream_info("DEAD_LETTERS")).state.messages
    found = [await client.jetstream().get_msg("DEAD_LETTERS", seq) for seq in range(1, count + 1)]
    return [msgspec.json.decode(message.data, type=DeadLetter) for message in found]


async def test_what_was_handled_is_acknowledged_and_what_waited_comes_together(nats_reconnecting: Client):
    await store(nats_reconnecting, *(b"%d" % number for number in range(50)))
    batches: list[list[bytes]] = []

    async def take(batch: Sequence[Delivery]) -> None:
        batches.append([one.payload for one in batch])

    async with subscribed(nats_reconnecting, take):
        await eventually(lambda: all_acknowledged(nats_reconnecting))
    assert sorted(int(body) for batch in batches for body in batch) == list(range(50))
    assert len(batches) < 50


async def test_an_outage_is_waited_for_and_makes_no_dead_letter(nats_reconnecting: Client):
    await store(nats_reconnecting, b"1", b"2")
    attempts = 0

    async def take(batch: Sequence[Delivery]) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 10:
            raise ConnectionRefusedError("the database is away")

    async with subscribed(nats_reconnecting, take):
        await eventually(lambda: all_acknowledged(nats_reconnecting))
    assert attempts >= 10
    assert await letters(nats_reconnecting) == []


async def test_what_a_service_calls_away_is_waited_for_too(nats_reconnecting: Client):
    await store(nats_reconnecting, b"1")
    attempts = 0

    async def take(_batch: Sequence[Delivery]) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 10:
            raise LookupError("not migrated yet")

    async with subscribed(nats_reconnecting, take, away=(LookupError,)):
        await eventually(lambda: all_acknowledged(nats_reconnecting))
    assert await letters(nats_reconnecting) == []


async def test_batches_begin_apart_by_the_time_to_linger(nats_reconnecting: Client):
    began: list[float] = []

    async def take(_batch: Sequence[Delivery]) -> None:
        began.append(time.monotonic())

    async with subscribed(nats_reconnecting, take, linger_seconds=0.2):
        for body in (b"1", b"2", b"3"):
            await store(nats_reconnecting, body)
            await eventually(lambda: all_acknowledged(nats_reconnecting))
    assert len(began) == 3
    assert min(later - earlier for earlier, later in itertools.pairwise(began)) >= 0.19


async def test_a_subscriber_that_was_cancelled_follows_again(nats_reconnecting: Client):
    taken: list[bytes] = []

    async def take(batch: Sequence[Delivery]) -> None:
        taken.extend(one.payload for one in batch)

    subscriber = BatchSubscriber(SERVICE, nats_reconnecting, SPACES, take)
    first = asyncio.create_task(subscriber.follow())
    await store(nats_reconnecting, b"1")
    await eventually(lambda: all_acknowledged(nats_reconnecting))
    first.cancel()
    await asyncio.wait([first])
    second = asyncio.create_task(subscriber.follow())
    await store(nats_reconnecting, b"2")
    await eventually(lambda: all_acknowledged(nats_reconnecting))
    subscriber.close()
    await second
    assert taken == [b"1", b"2"]


async def test_poison_is_set_aside_alone_and_its_neighbours_are_handled(nats_reconnecting: Client):
    await store(nats_reconnecting, b"good", b"poison", b"good too")
    handled: list[bytes] = []

    async def take(batch: Sequence[Delivery]) -> None:
        if any(one.payload == b"poison" for one in batch):
            raise PoisonError(DeadLetterCode.INVALID_EVENT, "nobody can read this")
        handled.extend(one.payload for one in batch)

    async with subscribed(nats_reconnecting, take):
        await eventually(lambda: all_acknowledged(nats_reconnecting))
    assert sorted(handled) == [b"good", b"good too"]
    (letter,) = await letters(nats_reconnecting)
    assert (letter.body, letter.code, letter.attempts) == (b"poison", DeadLetterCode.INVALID_EVENT, 1)


async def test_what_keeps_failing_is_set_aside_after_five_attempts(nats_reconnecting: Client):
    await store(nats_reconnecting, b"bad")
    attempts = 0

    async def take(_batch: Sequence[Delivery]) -> None:
        nonlocal attempts
        attempts += 1
        raise ValueError("nobody thought of this")

    async with subscribed(nats_reconnecting, take):
        await eventually(lambda: all_acknowledged(nats_reconnecting))
    (letter,) = await letters(nats_reconnecting)
    assert (letter.attempts, attempts) == (5, 5)
    assert letter.code is DeadLetterCode.UNEXPECTED_ERROR
