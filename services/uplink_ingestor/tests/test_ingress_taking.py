"""Events that came over HTTP, on their way through INGRESS: what their sender said of them counts."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from chirpstack_api import integration
from nats.aio.client import Client

from parking_chassis.pull_consumer import PullConsumer
from parking_contracts import ingress, subjects
from parking_contracts.errors import DeadLetter
from parking_contracts.uplink import Tick, UplinkReceived
from stack.waiting import eventually
from uplink_ingestor.ingest import Ingest
from uplink_ingestor.ingress import CONSUMER, IngressReceiver
from uplink_ingestor.publishers import Publishers
from uplink_ingestor.ticks import IngressDoor, TickSender, tick_for_ingress

APPLICATION = "ca739e26-7b67-4f14-b69e-d568c22a5a75"
AT = datetime(2026, 7, 22, 16, tzinfo=UTC)
HEADERS = {
    ingress.SOURCE: "acme-http",
    ingress.RECEIVED_AT: AT.isoformat(),
    ingress.ENCODING: "json",
    ingress.APPLICATION: APPLICATION,
}


@pytest.fixture
async def client(nats_account) -> Client:
    return await nats_account.connect()


@pytest.fixture
async def publishers(client) -> AsyncIterator[Publishers]:
    """Into the streams, with a receiver of INGRESS before them."""
    made = Publishers(client)
    receiver = IngressReceiver(PullConsumer(client, "INGRESS", CONSUMER, batch_size=10), Ingest(made))
    running = [asyncio.create_task(work) for work in (*made.work(), receiver.run())]
    yield made
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def hand_in(client: Client, body: bytes, event: str = "up", **headers: str) -> None:
    """What the gateway stores, taken by the ingestor."""
    await client.jetstream().publish(subjects.ingress(event), body, headers=HEADERS | headers)

    async def taken() -> bool:
        return (await client.jetstream().stream_info("INGRESS")).state.messages == 0

    await eventually(taken, 10)


async def letters(client: Client) -> list[DeadLetter]:
    state = (await client.jetstream().stream_info("DEAD_LETTERS")).state
    stored = [await client.jetstream().get_msg("DEAD_LETTERS", number + 1) for number in range(state.last_seq)]
    return [msgspec.json.decode(one.data, type=DeadLetter) for one in stored]


async def test_an_event_is_taken_as_its_sender_received_it(client, publishers, events) -> None:
    await hand_in(client, json.dumps(events.make_body("up")).encode())
    stored = await client.jetstream().get_msg("UPLINKS", 1)
    uplink = msgspec.json.decode(stored.data, type=UplinkReceived)
    assert (uplink.source, uplink.received_at, uplink.application_id) == ("acme-http", AT, APPLICATION)
    assert stored.headers["Nats-Msg-Id"].startswith("acme-http:up:")


async def test_protobuf_is_read_as_such(client, publishers) -> None:
    message = integration.UplinkEvent(deduplication_id="3ac7e3c4", f_port=1, data=b"\x01")
    message.device_info.application_id = APPLICATION
    message.device_info.dev_eui = "0101010101010101"
    await hand_in(client, message.SerializeToString(), **{ingress.ENCODING: "protobuf"})
    assert (await client.jetstream().get_msg("UPLINKS", 1)).subject == "parking.v1.uplink.0101010101010101"


async def test_an_event_of_an_application_the_sender_was_not_let_in_for_is_set_aside(client, publishers, events):
    body = json.dumps(events.make_body("up")).encode()
    await hand_in(client, body, **{ingress.APPLICATION: "another"})
    await hand_in(client, body + b" ", **{ingress.APPLICATION: ingress.NO_APPLICATION})
    found = await letters(client)
    assert [(one.code, one.source, one.body) for one in found] == [
        ("identity_mismatch", "acme-http", body),
        ("identity_mismatch", "acme-http", body + b" "),
    ]
    assert "delivered as one of application 'another'" in found[0].detail
    assert (await client.jetstream().stream_info("UPLINKS")).state.messages == 0


async def test_what_cannot_be_read_becomes_a_letter_with_its_bytes_and_can_come_back(client, publishers) -> None:
    await hand_in(client, b"[1]", **{ingress.APPLICATION: ingress.NO_APPLICATION})
    (letter,) = await letters(client)
    assert (letter.code, letter.body) == ("invalid_event", b"[1]")
    assert (letter.origin, letter.address) == ("jetstream", "parking.v1.ingress.up")
    assert (letter.source, letter.received_at) == ("acme-http", AT)


async def test_what_other_integrations_of_chirpstack_say_is_passed_over(client, publishers) -> None:
    await hand_in(client, b"{}", event="integration")
    assert await letters(client) == []


async def test_ingress_is_not_heard_while_no_gateway_takes_events(client, publishers) -> None:
    """An empty INGRESS says nothing while nobody could have filled it."""
    door, sent = IngressDoor(), []
    sender = TickSender("ingress", publishers.uplinks, Ingest(publishers).in_flight)
    sender.send = sent.append  # type: ignore[method-assign]  # what it is asked to say
    await door.listen(client)
    ticking = asyncio.create_task(tick_for_ingress(client.jetstream(), door, sender))
    await hand_in(client, b"{}", event="integration")
    assert sent == []
    ticking.cancel()
    closed_at = datetime.now(UTC) - timedelta(hours=1)
    await client.publish(subjects.INGRESS_OPEN, b"nonsense")
    for at in (closed_at, closed_at - timedelta(hours=1)):
        await client.publish(subjects.INGRESS_OPEN, msgspec.json.encode(Tick(source="ingress", at=at)))
    await eventually(lambda: door.open_until is not None)
    ticking = asyncio.create_task(tick_for_ingress(client.jetstream(), door, sender))
    await eventually(lambda: bool(sent))
    assert sent == [closed_at]
    ticking.cancel()
