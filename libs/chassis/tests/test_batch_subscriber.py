"""Batches of events against a real JetStream: handled, held through an outage, isolated, set aside."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

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
async def subscribed(client: Client, take: Take) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(BatchSubscriber(SERVICE, client, SPACES, take).run(stop))
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
