"""The pull loop of the uplink path against a real JetStream consumer."""

import asyncio

from nats.aio.client import Client

from parking_chassis.nats_connection import connect_nats
from parking_chassis.pull_consumer import Delivery, PullConsumer
from parking_chassis.settings import NatsSettings
from parkstream.embedded.nats import NatsServer
from parkstream.streams import apply_streams
from stack.waiting import eventually

UPLINK = "parking.v1.uplink.0101010101010101"


def uplinks_of(client: Client, batch_size: int = 100) -> PullConsumer:
    return PullConsumer(client, "UPLINKS", "occupancy_engine", batch_size=batch_size)


async def store(client: Client, count: int, *, first: int = 0) -> None:
    context = client.jetstream()
    for number in range(first, first + count):
        await context.publish(UPLINK, b"%d" % number)


async def take(consumer: PullConsumer, count: int) -> list[Delivery]:
    taken: list[Delivery] = []
    while len(taken) < count:
        batch = await asyncio.wait_for(consumer.next_batch(), 10)
        await consumer.ack(batch)
        taken += batch
    return taken


async def test_every_stored_message_arrives_once_and_in_order(nats_reconnecting: Client):
    await store(nats_reconnecting, 1000)
    consumer = uplinks_of(nats_reconnecting)

    taken = await take(consumer, 1000)

    assert [int(one.payload) for one in taken] == list(range(1000))
    assert {len(one.ack_subject.split(b".")) for one in taken} == {9}
    floor = await eventually(lambda: reaches(consumer, 1000))
    assert floor == 1000


async def reaches(consumer: PullConsumer, sequence: int) -> int | None:
    floor = await consumer.ack_floor()
    return floor if floor >= sequence else None


async def test_a_delivery_says_where_it_stands_and_what_its_headers_are(nats_reconnecting: Client):
    await nats_reconnecting.jetstream().publish(UPLINK, b"x", headers={"Parkstream-Replay": "2"})
    consumer = uplinks_of(nats_reconnecting)

    (delivery,) = await consumer.next_batch()

    assert (delivery.stream_sequence, delivery.times_delivered) == (1, 1)
    assert delivery.subject.decode() == UPLINK
    assert delivery.header(b"Parkstream-Replay") == b"2"
    assert delivery.header(b"Absent") is None


async def test_a_message_is_delivered_at_once_while_the_consumer_waits(nats_reconnecting: Client):
    consumer = uplinks_of(nats_reconnecting)
    waiting = asyncio.create_task(consumer.next_batch())
    await eventually(lambda: consumer._request > 0)

    await store(nats_reconnecting, 1)

    assert [one.payload for one in await asyncio.wait_for(waiting, 5)] == [b"0"]


async def test_what_is_asked_for_beforehand_never_exceeds_two_batches(nats_reconnecting: Client):
    consumer = uplinks_of(nats_reconnecting, batch_size=10)
    for first in range(0, 500, 100):
        await store(nats_reconnecting, 100, first=first)
        await take(consumer, 100)
        assert 0 <= consumer._request_left <= 20
    await store(nats_reconnecting, 100)
    await consumer.next_batch()
    assert len(consumer._arrived) <= 20


async def test_a_batch_that_was_not_acknowledged_is_delivered_to_the_next_consumer(nats_reconnecting: Client):
    info = await nats_reconnecting.jetstream().consumer_info("UPLINKS", "occupancy_engine")
    info.config.ack_wait = 0.5
    await nats_reconnecting.jetstream().add_consumer("UPLINKS", info.config)
    await store(nats_reconnecting, 5)
    await uplinks_of(nats_reconnecting).next_batch()

    taken = await take(uplinks_of(nats_reconnecting), 5)

    assert sorted(int(one.payload) for one in taken) == [0, 1, 2, 3, 4]
    assert min(one.times_delivered for one in taken) >= 2


async def test_it_goes_on_after_the_server_was_killed_and_started_again(private_nats: NatsServer):
    await apply_streams(private_nats.login().url)
    client = await connect_nats(NatsSettings(nats_url=private_nats.login().url), name="pull-test")
    consumer = uplinks_of(client)
    await store(client, 10)
    assert len(await take(consumer, 10)) == 10
    waiting = asyncio.create_task(consumer.next_batch())

    assert private_nats.process is not None
    private_nats.process.kill()
    private_nats.process.wait()
    private_nats.start()
    await eventually(lambda: client.is_connected and client.stats["reconnects"] > 0, 20)
    await store(client, 1, first=99)

    # The server may have forgotten the last acknowledgements: a repeat is allowed, a standstill is not.
    arrived = await asyncio.wait_for(waiting, 20)
    while b"99" not in {one.payload for one in arrived}:
        arrived = await asyncio.wait_for(consumer.next_batch(), 20)
    await client.close()


async def test_a_consumer_that_stops_on_a_busy_stream_leaves_nothing_to_the_ack_wait(nats_reconnecting: Client):
    consumer = uplinks_of(nats_reconnecting)
    storing = asyncio.create_task(store(nats_reconnecting, 2_000))
    taken = {one.payload for one in await take(consumer, 100)}  # or some more

    consumer.close()
    await consumer.give_back()
    await storing

    left = 2_000 - len(taken)
    rest = await take(uplinks_of(nats_reconnecting), left)  # which waits 10 s for each, and the ack wait is 30 s
    assert len({one.payload for one in rest} - taken) == left
