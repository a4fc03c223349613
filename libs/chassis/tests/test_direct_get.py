"""Messages read straight from a stream, page by page, from a real JetStream."""

import asyncio
from datetime import datetime

import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import StreamConfig

from parking_chassis.direct_get import STORED_AT, DirectGetError, read_stored
from stack.waiting import eventually

STREAM, OURS, OTHERS, ALL = "SPACES", "parking.v1.space.a.s.changed", "parking.v1.space.b.s.changed", ">"


async def publish(client: Client, *subjects: str, data: bytes = b"") -> None:
    """One message after the other; each says where it is, or `data`."""
    for place, subject in enumerate(subjects, 1):
        await client.jetstream().publish(subject, data or b"%d" % place, headers={"Nats-Msg-Id": f"{subject}-{place}"})


async def test_a_stream_is_read_page_by_page_in_its_order(nats_reconnecting: Client) -> None:
    await publish(nats_reconnecting, *[OURS] * 5)
    read, following = [], 0
    while page := await read_stored(nats_reconnecting, STREAM, sequence=following, subject=ALL, limit=2):
        read.append([(one.sequence, one.data, one.remaining) for one in page])
        following = page[-1].sequence + 1
    assert read == [[(1, b"1", 4), (2, b"2", 3)], [(3, b"3", 2), (4, b"4", 1)], [(5, b"5", 0)]]


async def test_only_what_matches_the_subject_is_read_and_counted(nats_reconnecting: Client) -> None:
    await publish(nats_reconnecting, OURS, OTHERS, OURS, OTHERS)
    page = await read_stored(nats_reconnecting, STREAM, sequence=2, subject="parking.v1.space.b.>", limit=10)
    assert [(one.sequence, one.subject, one.remaining) for one in page] == [(2, OTHERS, 1), (4, OTHERS, 0)]
    assert not await read_stored(nats_reconnecting, STREAM, sequence=1, subject="parking.v1.space.c.>", limit=10)


async def test_a_message_comes_with_its_headers_and_its_time_from_which_can_be_read_on(
    nats_reconnecting: Client,
) -> None:
    await publish(nats_reconnecting, *[OURS] * 3)
    (_, second, _) = await read_stored(nats_reconnecting, STREAM, sequence=1, subject=ALL, limit=3)
    assert second.headers["Nats-Msg-Id"] == f"{OURS}-2"
    since = datetime.fromisoformat(second.headers[STORED_AT])
    later = await read_stored(nats_reconnecting, STREAM, sequence=0, subject=ALL, limit=3, since=since)
    assert [one.sequence for one in later] == [2, 3]


async def test_a_page_is_bounded_in_bytes(nats_reconnecting: Client) -> None:
    await publish(nats_reconnecting, *[OURS] * 4, data=bytes(1000))
    page = await read_stored(nats_reconnecting, STREAM, sequence=1, subject=ALL, limit=4, max_bytes=2_500)
    assert 0 < len(page) < 4
    assert page[-1].remaining == 4 - len(page)


async def test_what_the_server_says_against_it_is_an_error_of_nats(nats_reconnecting: Client) -> None:
    with pytest.raises(DirectGetError, match="nobody answers for NOBODYS") as refused:
        await read_stored(nats_reconnecting, "NOBODYS", sequence=1, subject=ALL, limit=1, answer_seconds=1.0)
    assert isinstance(refused.value, NatsError)
    assert not nats_reconnecting._subs


async def test_nobody_who_answers_is_waited_for(nats_reconnecting: Client) -> None:
    """As at a node of a cluster that has just come back, or while a stream is being made."""
    context = nats_reconnecting.jetstream()
    late = StreamConfig(name="LATE", subjects=["late"], allow_direct=False)
    await context.add_stream(late)
    await context.publish("late", b"here")
    heard = nats_reconnecting.stats["in_msgs"]
    reading = asyncio.create_task(read_stored(nats_reconnecting, "LATE", sequence=1, subject="late", limit=1))
    await eventually(lambda: nats_reconnecting.stats["in_msgs"] > heard)
    late.allow_direct = True
    await context.update_stream(late)
    assert [message.data for message in await reading] == [b"here"]
