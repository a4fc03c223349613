"""What an arrival becomes: which stream, subject, message id and headers, on a real JetStream."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from nats.aio.client import Client

from parking_contracts.errors import DeadLetter
from parking_contracts.uplink import UplinkReceived
from stack.servers import NatsAccount
from stack.waiting import eventually
from uplink_ingestor.ingest import Arrival, Ingest
from uplink_ingestor.publishers import Publishers

NOW = datetime(2026, 7, 22, 16, tzinfo=UTC)
TOPIC = "application/ca739e26-7b67-4f14-b69e-d568c22a5a75/device/0101010101010101/event/"


class Receipt:
    is_open = True

    def __init__(self) -> None:
        self.acknowledged = 0

    def acknowledge(self) -> None:
        self.acknowledged += 1


@dataclass
class Bench:
    """An Ingest on real streams, and what it stored."""

    client: Client
    ingest: Ingest
    publishers: Publishers
    receipts: list[Receipt] = field(default_factory=list)

    def take(self, topic: str, body: dict[str, Any] | bytes, **changes: Any) -> Receipt:
        receipt = Receipt()
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        arrival = {"source": "chirpstack", "received_at": NOW, "receipt": receipt, **changes}
        self.ingest.take(Arrival(topic=topic, body=raw, **arrival))
        return receipt

    async def stored(self, stream: str) -> list[Any]:
        """All messages of a stream, once everything on its way is there."""
        await asyncio.wait_for(self.ingest.in_flight.all_arrived(), 10)
        context = self.client.jetstream()
        state = (await context.stream_info(stream)).state
        return [await context.get_msg(stream, seq) for seq in range(1, state.last_seq + 1)]

    async def dead_letters(self) -> list[DeadLetter]:
        return [msgspec.json.decode(one.data, type=DeadLetter) for one in await self.stored("DEAD_LETTERS")]


@pytest.fixture
async def bench(nats_account: NatsAccount) -> AsyncIterator[Bench]:
    client = await nats_account.connect()
    publishers = Publishers(client)
    running = [asyncio.create_task(work) for work in publishers.work()]
    yield Bench(client, Ingest(publishers), publishers)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_an_uplink_goes_to_uplinks_and_is_acknowledged_once_it_is_there(bench: Bench, body):
    receipt = bench.take(TOPIC + "up", body("up"))
    assert receipt.acknowledged == 0
    (stored,) = await bench.stored("UPLINKS")
    assert receipt.acknowledged == 1
    assert stored.subject == "parking.v1.uplink.0101010101010101"
    assert stored.headers == {"Nats-Msg-Id": "chirpstack:up:3ac7e3c4-4401-4b8d-9386-a5c902f9202d"}
    uplink = msgspec.json.decode(stored.data, type=UplinkReceived)
    assert (uplink.received_at, uplink.data) == (NOW, b"\x01\x2a")


async def test_every_other_event_goes_to_devices_under_its_own_id(bench: Bench, body):
    events = ("join", "ack", "txack", "log", "status", "location")
    for event in events:
        bench.take(TOPIC + event, body(event))
    stored = await bench.stored("DEVICES")
    ids = {one.subject.split(".")[3]: one.headers["Nats-Msg-Id"] for one in stored}
    log_id = ids.pop("log")
    assert ids == {
        "join": "chirpstack:join:c9dbe358-2578-4fb7-b295-66b44edc45a6",
        "ack": "chirpstack:ack:856a0ac6-1d7b-4f0d-9a9a-3c0a2f7e8a11",
        "txack": "chirpstack:txack:3461958127",
        "status": "chirpstack:status:bf2a1c0e-2f3b-4a52-8ec1-0f5a1c7a4e07",
        "location": "chirpstack:location:63d8a2f9-52c0-4f0e-bf5e-1d5d9c2c0b5a",
    }
    assert len(log_id.removeprefix("chirpstack:log:")) == 32


@pytest.mark.parametrize("odd", ["", "x\r\nNats-Rollup: all", "ä", "y" * 200])
async def test_a_deduplication_id_that_is_missing_or_fits_no_header_is_replaced_by_a_digest(bench: Bench, body, odd):
    bench.take(TOPIC + "up", body("up", deduplicationId=odd))
    bench.take(TOPIC + "up", body("up", deduplicationId=odd, fCnt=1))
    stored = await bench.stored("UPLINKS")
    assert len({one.headers["Nats-Msg-Id"] for one in stored}) == 2
    assert all(len(one.headers["Nats-Msg-Id"]) == len("chirpstack:up:") + 32 for one in stored)
    facts = [msgspec.json.decode(one.data, type=UplinkReceived) for one in stored]
    assert [f"chirpstack:up:{fact.deduplication_id}" for fact in facts] == [
        one.headers["Nats-Msg-Id"] for one in stored
    ]


async def test_repeats_are_stored_once_and_each_delivery_is_acknowledged(bench: Bench, body):
    receipts = [bench.take(TOPIC + "up", body("up")) for _ in range(3)]
    assert len(await bench.stored("UPLINKS")) == 1
    late = bench.take(TOPIC + "up", body("up"))
    assert [one.acknowledged for one in (*receipts, late)] == [1, 1, 1, 1]


async def test_one_frame_that_yields_several_events_with_one_id_keeps_them_all(bench: Bench, body):
    shared = "3ac7e3c4-4401-4b8d-9386-a5c902f9202d"
    for event in ("up", "ack", "status"):
        bench.take(TOPIC + event, body(event, deduplicationId=shared))
    assert (len(await bench.stored("UPLINKS")), len(await bench.stored("DEVICES"))) == (1, 2)


POISON = [
    (TOPIC + "up", b"not json", "invalid_encoding"),
    (TOPIC + "up", b"[]", "invalid_encoding"),
    (TOPIC + "up", b"{}", "invalid_event"),
    (TOPIC + "up", b'{"a":"\xff"}', "invalid_encoding"),
    ("elsewhere/x", b"{}", "invalid_topic"),
    (TOPIC + "up", b"{" + b" " * (1 << 20), "oversize"),
]


@pytest.mark.parametrize(("topic", "raw", "code"), POISON)
async def test_poison_is_kept_with_reason_topic_and_bytes_and_then_acknowledged(bench: Bench, topic, raw, code):
    receipt = bench.take(topic, raw)
    (letter,) = await bench.dead_letters()
    assert receipt.acknowledged == 1
    assert (letter.code, letter.address, letter.origin, letter.source) == (code, topic, "mqtt", "chirpstack")
    assert letter.size_bytes == len(raw)
    assert letter.truncated == (len(raw) > 256 << 10)
    assert raw.startswith(letter.body)
    assert len(letter.body) == min(len(raw), 64 << 10 if letter.truncated else len(raw))
    assert letter.detail


async def test_the_same_poison_delivered_again_is_kept_once(bench: Bench):
    receipts = [bench.take(TOPIC + "up", b"garbage") for _ in range(5)]
    assert len(await bench.dead_letters()) == 1
    assert [one.acknowledged for one in receipts] == [1] * 5


async def test_a_poison_flood_does_not_stop_the_flow(bench: Bench, body):
    for number in range(500):
        bench.take(TOPIC + "up", b"garbage %d" % number)
        bench.take(TOPIC + "up", body("up", deduplicationId=f"id-{number}", fCnt=number))
    assert len(await bench.stored("UPLINKS")) == 500
    assert len(await bench.stored("DEAD_LETTERS")) == 500


async def test_a_replay_is_not_taken_for_the_delivery_that_failed_and_says_so(bench: Bench, body):
    for replay in (None, 1, 2, 2):
        bench.take(TOPIC + "up", body("up"), replay=replay, origin="jetstream")
    stored = await bench.stored("UPLINKS")
    base = "chirpstack:up:3ac7e3c4-4401-4b8d-9386-a5c902f9202d"
    assert [one.headers["Nats-Msg-Id"] for one in stored] == [base, f"{base}:replay-1", f"{base}:replay-2"]
    assert [one.headers.get("Parkstream-Replay") for one in stored] == [None, "1", "2"]


async def test_chirpstacks_integration_events_are_acknowledged_and_left(bench: Bench):
    assert bench.take(TOPIC + "integration", b"{}").acknowledged == 1
    assert await bench.stored("DEAD_LETTERS") == []


async def test_qos_0_has_nothing_to_acknowledge_and_is_stored_all_the_same(bench: Bench, body):
    bench.take(TOPIC + "up", body("up"), receipt=None)
    assert len(await bench.stored("UPLINKS")) == 1


async def test_when_devices_is_full_all_else_still_flows_and_nothing_is_acknowledged_falsely(bench: Bench, body):
    context = bench.client.jetstream()
    config = (await context.stream_info("DEVICES")).config
    config.max_msgs = 1
    await context.update_stream(config)
    bench.take(TOPIC + "join", body("join"))
    refused = bench.take(TOPIC + "status", body("status"))
    await eventually(bench.publishers.refusal)
    uplink = bench.take(TOPIC + "up", body("up"))
    poison = bench.take(TOPIC + "up", b"garbage")
    await eventually(lambda: uplink.acknowledged and poison.acknowledged)
    assert refused.acknowledged == 0
    assert "DEVICES (10077: maximum messages exceeded)" in (bench.publishers.refusal() or "")

    config.max_msgs = -1
    await context.update_stream(config)
    await eventually(lambda: refused.acknowledged)
    assert bench.publishers.refusal() is None
