"""The contract with nats-py's parser: it calls `Client._process_msg` for every message, and ours goes first."""

import nats
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg

from parking_chassis.raw_inbox import RawInbox
from stack.servers import NatsAccount
from stack.waiting import eventually

Message = tuple[bytes, bytes, bytes, bytes | None]


async def open_inbox(client: Client) -> tuple[RawInbox, list[Message]]:
    received: list[Message] = []
    inbox = await RawInbox.open(client, lambda *message: received.append(message))
    return inbox, received


async def test_a_message_to_the_inbox_arrives_with_subject_reply_data_and_raw_headers(empty_nats_account: NatsAccount):
    client = await empty_nats_account.connect()
    inbox, received = await open_inbox(client)

    await client.publish(f"{inbox.prefix.decode()}.7", b"answer", reply="somewhere", headers={"A": "b"})
    await eventually(lambda: received)

    assert received == [(inbox.prefix + b".7", b"somewhere", b"answer", b"NATS/1.0\r\nA: b\r\n\r\n")]
    assert inbox.token_of(received[0][0]) == 7


async def test_a_stored_message_keeps_the_subject_it_was_stored_under(nats_account: NatsAccount):
    client = await nats_account.connect()
    inbox, received = await open_inbox(client)
    await client.jetstream().publish("parking.v1.ingress.up", b"{}")

    pull = b"PUB $JS.API.CONSUMER.MSG.NEXT.INGRESS.uplink_ingestor %b.1 1\r\n1\r\n" % inbox.prefix
    await inbox.write(pull)
    await eventually(lambda: received)

    assert received[0][0] == b"parking.v1.ingress.up"
    assert inbox.token_of(received[0][0]) is None


async def echo(message: Msg) -> None:
    await message.respond(message.data)


async def test_other_subscriptions_and_requests_of_the_same_client_go_their_usual_way(empty_nats_account: NatsAccount):
    client = await empty_nats_account.connect()
    _, first = await open_inbox(client)
    _, second = await open_inbox(client)
    usual = await client.subscribe("usual")
    service = await client.subscribe("echo", cb=echo)

    await client.publish("usual", b"hello")

    assert (await usual.next_msg(timeout=5)).data == b"hello"
    assert (await client.request("echo", b"again", timeout=5)).data == b"again"
    assert first == second == []
    await service.unsubscribe()


async def test_each_of_several_inboxes_gets_its_own_messages_whole(empty_nats_account: NatsAccount):
    client = await empty_nats_account.connect()
    opened = [await open_inbox(client) for _ in range(3)]
    large = bytes(range(256)) * 1000

    for number, (inbox, _) in enumerate(opened):
        await inbox.write(b"PUB %b.%d %d\r\n%b\r\n" % (inbox.prefix, number, len(large), large))
    await eventually(lambda: all(received for _, received in opened))

    assert [received[0][2] for _, received in opened] == [large, large, large]


async def test_the_inbox_works_again_after_a_reconnect(nats_reconnecting: Client):
    inbox, received = await open_inbox(nats_reconnecting)
    assert nats_reconnecting._transport is not None
    nats_reconnecting._transport._io_writer.transport.abort()
    await eventually(lambda: nats_reconnecting.is_connected and nats_reconnecting.stats["reconnects"] > 0)

    await inbox.write(b"PUB %b.1 2\r\nok\r\n" % inbox.prefix)
    await eventually(lambda: received)

    assert received[0][2] == b"ok"


def test_a_connection_that_goes_down_in_the_instant_of_writing_is_mended(empty_nats_account: NatsAccount):
    async def write_on_a_closed_transport() -> None:
        client = await nats.connect(empty_nats_account.url, reconnect_time_wait=0.05)
        try:
            inbox, received = await open_inbox(client)
            client._transport.close()
            assert client.is_connected  # as nats-py believes until the next turn of the loop

            await inbox.write(b"PUB %b.1 0\r\n\r\n" % inbox.prefix)

            await eventually(lambda: client.stats["reconnects"] == 1 and client.is_connected)
            await client.publish(f"{inbox.prefix.decode()}.2", b"")
            await eventually(lambda: any(inbox.token_of(message[0]) == 2 for message in received))
        finally:
            await client.close()

    uvloop.run(write_on_a_closed_transport())  # asyncio's own transport would only log it
