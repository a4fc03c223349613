"""Publishing for the uplink path against a real JetStream: what is confirmed is stored, once, whatever happens."""

import asyncio
import itertools
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from nats.aio.client import Client

from parking_chassis import windowed_publisher
from parking_chassis.nats_connection import connect_nats
from parking_chassis.settings import NatsSettings
from parking_chassis.windowed_publisher import CONFIRM_SECONDS, Publication, WindowedPublisher
from parkstream.embedded.nats import NatsServer
from parkstream.streams import apply_streams
from stack.servers import NatsAccount
from stack.waiting import eventually

UPLINK = "parking.v1.uplink.0101010101010101"


@asynccontextmanager
async def publisher_on(client: Client, *, atomic: bool = True, units: int = 20) -> AsyncIterator[WindowedPublisher]:
    publisher = WindowedPublisher(client, atomic=atomic, units_on_the_way=units)
    running = asyncio.create_task(publisher.run())
    yield publisher
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def submit(publisher: WindowedPublisher, ids: list[int], *, subject: str = UPLINK) -> list[int]:
    """Submit one message per id and return the list that fills with the confirmed ones."""
    confirmed: list[int] = []
    for number in ids:
        publisher.submit(
            Publication(subject, b"%d" % number, f"id-{number}", lambda number=number: confirmed.append(number))
        )
    return confirmed


async def stored(client: Client, stream: str = "UPLINKS") -> list[bytes]:
    context = client.jetstream()
    state = (await context.stream_info(stream)).state
    messages = [await context.get_msg(stream, seq) for seq in range(state.first_seq, state.last_seq + 1)]
    return [message.data or b"" for message in messages]


async def test_a_message_alone_is_stored_under_its_id_with_its_headers(nats_reconnecting: Client):
    confirmed: list[bool] = []
    async with publisher_on(nats_reconnecting) as publisher:
        publisher.submit(Publication(UPLINK, b"x", "one", lambda: confirmed.append(True), b"Parkstream-Replay: 1\r\n"))
        await eventually(lambda: confirmed)

    message = await nats_reconnecting.jetstream().get_msg("UPLINKS", 1)
    assert message.headers == {"Nats-Msg-Id": "one", "Parkstream-Replay": "1"}
    assert publisher.unconfirmed == 0


async def test_a_backlog_is_stored_in_order_as_atomic_batches(nats_reconnecting: Client):
    async with publisher_on(nats_reconnecting) as publisher:
        confirmed = submit(publisher, list(range(1200)))
        await eventually(lambda: len(confirmed) == 1200)

    assert await stored(nats_reconnecting) == [b"%d" % number for number in range(1200)]
    message = await nats_reconnecting.jetstream().get_msg("UPLINKS", 2)
    assert message.headers is not None
    assert message.headers["Nats-Batch-Sequence"] == "2"


async def test_a_duplicate_inside_a_batch_costs_no_message_and_stores_none_twice(nats_reconnecting: Client):
    async with publisher_on(nats_reconnecting) as publisher:
        confirmed = submit(publisher, [1])
        await eventually(lambda: confirmed == [1])
        again = submit(publisher, [*range(50), 7, 7, *range(50, 100)])
        await eventually(lambda: len(again) == 102)

    assert sorted(int(data) for data in await stored(nats_reconnecting)) == list(range(100))


async def test_one_unit_on_the_way_keeps_the_order_through_a_refused_batch(nats_reconnecting: Client):
    async with publisher_on(nats_reconnecting, units=1) as publisher:
        confirmed = submit(publisher, [5])
        await eventually(lambda: confirmed == [5])
        again = submit(publisher, list(range(10)))
        await eventually(lambda: len(again) == 10)

    assert await stored(nats_reconnecting) == [b"5", *(b"%d" % number for number in (0, 1, 2, 3, 4, 6, 7, 8, 9))]


async def test_without_a_stream_nothing_is_confirmed_until_there_is_one(empty_nats_account: NatsAccount):
    client = await connect_nats(NatsSettings(nats_url=empty_nats_account.url), name="publisher-test")
    async with publisher_on(client) as publisher:
        confirmed = submit(publisher, [1, 2, 3])
        await eventually(lambda: publisher.refused == "no JetStream stream answers")
        assert confirmed == []

        await apply_streams(empty_nats_account.url)
        await eventually(lambda: sorted(confirmed) == [1, 2, 3])
        await eventually(lambda: publisher.refused is None)
    await client.close()


async def test_a_full_stream_refuses_and_takes_the_same_message_once_there_is_room(nats_reconnecting: Client):
    context = nats_reconnecting.jetstream()
    config = (await context.stream_info("DEVICES")).config
    config.max_msgs = 2
    await context.update_stream(config)
    async with publisher_on(nats_reconnecting, atomic=False) as publisher:
        confirmed = submit(publisher, [1, 2, 3], subject="parking.v1.device.join.0101010101010101")
        await eventually(lambda: publisher.refused is not None)
        assert len(confirmed) == 2

        config.max_msgs = -1
        await context.update_stream(config)
        await eventually(lambda: sorted(confirmed) == [1, 2, 3])


async def test_nothing_is_confirmed_while_the_server_is_away_and_all_of_it_afterwards(private_nats: NatsServer):
    await apply_streams(private_nats.login().url)
    client = await connect_nats(NatsSettings(nats_url=private_nats.login().url), name="publisher-test")
    async with publisher_on(client) as publisher:
        private_nats.stop()
        await eventually(lambda: not client.is_connected)
        confirmed = submit(publisher, list(range(100)))
        assert publisher.unconfirmed == 100

        private_nats.start()
        await eventually(lambda: len(confirmed) == 100, 30)

    assert sorted(int(data) for data in await stored(client)) == list(range(100))
    await client.close()


async def test_while_a_batch_is_on_the_way_the_next_grows_for_a_while(
    private_nats: NatsServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(windowed_publisher, "GROW_SECONDS", 1.0)
    monkeypatch.setattr(windowed_publisher, "LOOK_SECONDS", 3600.0)  # so that nothing else wakes it
    await apply_streams(private_nats.login().url)
    client = await connect_nats(NatsSettings(nats_url=private_nats.login().url), name="publisher-test")
    async with publisher_on(client) as publisher:
        alone = submit(publisher, [0])
        await eventually(lambda: alone)
        assert private_nats.process is not None
        private_nats.process.send_signal(signal.SIGSTOP)
        submit(publisher, list(range(1, 31)))
        await eventually(lambda: publisher.on_the_way == 30)
        submit(publisher, list(range(31, 46)))
        looks = itertools.count()
        await eventually(lambda: next(looks) == 5, interval=0.01, message="the publisher had its turn")
        last = submit(publisher, list(range(46, 61)))
        await eventually(lambda: publisher.on_the_way == 60, CONFIRM_SECONDS * 0.8)
        private_nats.process.send_signal(signal.SIGCONT)
        await eventually(lambda: len(last) == 15)
    context = client.jetstream()
    headers = [(await context.get_msg("UPLINKS", sequence)).headers or {} for sequence in range(2, 62)]
    assert sorted(Counter(each["Nats-Batch-Id"] for each in headers).values()) == [30, 30]
    await client.close()


async def test_killed_in_the_middle_of_a_backlog_the_server_keeps_each_confirmed_message_once(private_nats: NatsServer):
    await apply_streams(private_nats.login().url)
    client = await connect_nats(NatsSettings(nats_url=private_nats.login().url), name="publisher-test")
    async with publisher_on(client, units=2) as publisher:
        confirmed = submit(publisher, list(range(5000)))
        await eventually(lambda: confirmed)
        assert private_nats.process is not None
        private_nats.process.kill()
        private_nats.process.wait()
        private_nats.start()
        await eventually(lambda: len(confirmed) == 5000, 40)

    state = (await client.jetstream().stream_info("UPLINKS")).state
    assert state.messages == 5000
    await client.close()
