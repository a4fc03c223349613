"""The real process between real brokers and a real JetStream: what is acknowledged is stored, whatever is killed."""

import asyncio
import json
import random
import signal
from datetime import UTC, datetime
from typing import Any

import httpx
import nats
import pytest
from nats.aio.client import Client

from parking_chassis.pull_consumer import PullConsumer
from parkstream.embedded.nats import NatsServer
from parkstream.streams import apply_streams
from stack.brokers import Mosquitto
from stack.http_client import http_client
from stack.servers import NatsAccount
from stack.services import RunService, Service
from stack.waiting import eventually

LEDGER = 5_000
RECEIVED = 'parkstream_ingestor_events_total{event="up"}'


def environment(nats_url: str, mqtt_url: str, protocol: str = "5") -> dict[str, str]:
    return {"PARKSTREAM_NATS_URL": nats_url, "PARKSTREAM_MQTT_URL": mqtt_url, "PARKSTREAM_MQTT_PROTOCOL": protocol}


async def ids_in(client: Client) -> list[str]:
    """The message ids of everything in UPLINKS, ticks left out, in order. Takes them as the engine would: ask once."""
    wanted = await uplinks_stored(client)
    consumer = PullConsumer(client, "UPLINKS", "occupancy_engine", batch_size=500)
    found: list[str] = []
    while len(found) < wanted:
        batch = await asyncio.wait_for(consumer.next_batch(), 10)
        found += [(one.header(b"Nats-Msg-Id") or b"").decode() for one in batch if b".uplink." in one.subject]
    return found


async def uplinks_stored(client: Client) -> int:
    state = (await client.jetstream().stream_info("UPLINKS", subjects_filter="parking.v1.uplink.>")).state
    return sum((state.subjects or {}).values())


def ids_of(messages: list[tuple[str, bytes]]) -> set[str]:
    return {f"chirpstack:up:{json.loads(raw)['deduplicationId']}" for _, raw in messages}


async def send(mqtt: Any, messages: list[tuple[str, bytes]]) -> None:
    for start in range(0, len(messages), 200):
        await asyncio.gather(*(mqtt.publish(topic, raw, qos=1) for topic, raw in messages[start : start + 200]))


async def problems(service: Service) -> dict[str, str] | None:
    async with http_client(base_url=service.url) as client:
        answer = await client.get("/ready")
    return answer.json()["problems"] if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else None


@pytest.fixture(params=["mosquitto with MQTT 5", "mosquitto with MQTT 3.1.1", "NATS's own listener"])
def broker(request, nats_account: NatsAccount) -> dict[str, str]:
    """The environment of an ingestor on each kind of broker."""
    if request.param == "NATS's own listener":
        return environment(nats_account.url, nats_account.mqtt_url, "3.1.1")
    protocol = "5" if request.param.endswith("5") else "3.1.1"
    return environment(nats_account.url, request.getfixturevalue("mosquitto").url, protocol)


async def test_uplinks_travel_from_the_broker_to_uplinks(
    broker: dict[str, str], nats_account: NatsAccount, run_service: RunService, events
):
    service = await run_service("uplink_ingestor", broker)
    client = await nats_account.connect()
    messages = events.uplinks(300)
    async with events.publisher(broker["PARKSTREAM_MQTT_URL"]) as mqtt:
        await send(mqtt, messages + messages[:50])
        await mqtt.publish(events.topic_of("join"), json.dumps(events.make_body("join")), qos=1)
        await mqtt.publish(events.topic_of("up"), b"garbage", qos=1)
    await eventually(lambda: reaches(client, 300))
    assert set(await ids_in(client)) == ids_of(messages)
    await eventually(lambda: holds(client, "DEVICES", 1))
    await eventually(lambda: holds(client, "DEAD_LETTERS", 1))
    await eventually(lambda: ticking(client, {"chirpstack"}))
    assert service.stop() == 0


async def test_ingress_is_heard_only_while_a_gateway_says_that_it_takes_events(
    nats_account: NatsAccount, run_service: RunService
):
    await run_service("uplink_ingestor", environment(nats_account.url, nats_account.mqtt_url, "3.1.1"))
    client = await nats_account.connect()
    await eventually(lambda: ticking(client, {"chirpstack"}))
    word = json.dumps({"source": "ingress", "at": datetime.now(UTC).isoformat()}).encode()
    await client.publish("parking.v1.open.ingress", word)
    await eventually(lambda: ticking(client, {"chirpstack", "ingress"}))


async def test_two_ingestors_share_a_subscription_and_one_takes_over_when_the_other_dies(
    mosquitto: Mosquitto, nats_account: NatsAccount, run_service: RunService, events
):
    shared = environment(nats_account.url, mosquitto.url) | {"PARKSTREAM_MQTT_SHARED_GROUP": "ingestors"}
    first = await run_service("uplink_ingestor", shared | {"PARKSTREAM_MQTT_CLIENT_ID": "ingestor-0"})
    second = await run_service("uplink_ingestor", shared | {"PARKSTREAM_MQTT_CLIENT_ID": "ingestor-1"})
    client = await nats_account.connect()
    messages = events.uplinks(400)
    async with events.publisher(mosquitto.url) as mqtt:
        await send(mqtt, messages[:200])
        await eventually(lambda: reaches(client, 200))
        assert min(await received(first), await received(second)) > 0
        first.kill()
        await send(mqtt, messages[200:])
        # What the broker still holds for the dead one's session comes when it returns.
        await first.start()
        await eventually(lambda: reaches(client, 400), 20)
    assert set(await ids_in(client)) == ids_of(messages)


async def received(service: Service) -> float:
    """Uplinks that a process has taken from MQTT."""
    async with http_client(base_url=service.url) as client:
        lines = (await client.get("/metrics")).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(RECEIVED))


async def reaches(client: Client, count: int) -> bool:
    return await uplinks_stored(client) >= count


async def holds(client: Client, stream: str, count: int) -> bool:
    return (await client.jetstream().stream_info(stream)).state.messages == count


async def ticking(client: Client, wanted: set[str]) -> bool:
    """Whether these sources, and no other, have ticked."""
    context = client.jetstream()
    state = (await context.stream_info("UPLINKS")).state
    stored = [await context.get_msg("UPLINKS", seq) for seq in range(1, state.last_seq + 1)]
    return {json.loads(one.data)["source"] for one in stored if one.subject == "parking.v1.tick"} == wanted


async def test_what_came_while_it_was_away_waits_in_the_brokers_session(
    broker: dict[str, str], nats_account: NatsAccount, run_service: RunService, events
):
    service = await run_service("uplink_ingestor", broker)
    assert service.stop() == 0
    messages = events.uplinks(100)
    async with events.publisher(broker["PARKSTREAM_MQTT_URL"]) as mqtt:
        await send(mqtt, messages)
    await service.start()
    client = await nats_account.connect()
    await eventually(lambda: reaches(client, 100))
    assert set(await ids_in(client)) == ids_of(messages)


@pytest.mark.slow
async def test_killed_again_and_again_in_mid_flow_it_loses_nothing(
    mosquitto: Mosquitto, private_nats: NatsServer, run_service: RunService, events
):
    await apply_streams(private_nats.login().url)
    service = await run_service("uplink_ingestor", environment(private_nats.login().url, mosquitto.url))
    client = await nats.connect(private_nats.login().url)
    messages = events.uplinks(LEDGER)
    chance = random.Random(7)
    sent = 0
    async with events.publisher(mosquitto.url) as mqtt:
        for _ in range(4):
            flowing, held = (sent + chance.randrange(300, 700) for _ in range(2))
            await send(mqtt, messages[sent:flowing])
            # JetStream stands still, so that the process dies with uplinks in its hands.
            private_nats.process.send_signal(signal.SIGSTOP)
            sent = flowing + held - sent
            await send(mqtt, messages[flowing:sent])
            await eventually(lambda: in_flight(service))
            service.kill()
            private_nats.process.send_signal(signal.SIGCONT)
            await service.start()
        await send(mqtt, messages[sent:])
    await eventually(lambda: reaches(client, LEDGER), 30)
    stored = await ids_in(client)
    assert ids_of(messages) - set(stored) == set()
    assert len(stored) == LEDGER
    await client.close()


async def in_flight(service: Service) -> int:
    async with http_client(base_url=service.url) as client:
        return (await client.get("/health")).json()["stats"]["in_flight"]["mqtt"]


@pytest.mark.slow
async def test_with_nats_away_the_broker_keeps_everything_and_it_heals_by_itself(
    mosquitto: Mosquitto, private_nats: NatsServer, run_service: RunService, events
):
    await apply_streams(private_nats.login().url)
    service = await run_service("uplink_ingestor", environment(private_nats.login().url, mosquitto.url))
    messages = events.uplinks(1_000)
    async with events.publisher(mosquitto.url) as mqtt:
        await send(mqtt, messages[:300])
        private_nats.stop()
        await send(mqtt, messages[300:])
        assert (await eventually(lambda: problems(service)))["nats"].startswith("nats: ")
        # Whatever it took without a PubAck must come again: a new process has nothing but the broker.
        service.kill()
        await service.start(ready=False)
        private_nats.start()
        await service.wait_ready()
    client = await nats.connect(private_nats.login().url)
    await eventually(lambda: reaches(client, 1_000), 30)
    assert set(await ids_in(client)) == ids_of(messages)
    assert (await client.jetstream().stream_info("DEAD_LETTERS")).state.messages == 0
    await client.close()


@pytest.mark.slow
async def test_it_comes_back_after_the_broker_was_restarted(
    mosquitto: Mosquitto, nats_account: NatsAccount, run_service: RunService, events
):
    service = await run_service("uplink_ingestor", environment(nats_account.url, mosquitto.url))
    mosquitto.stop()
    assert "mqtt" in await eventually(lambda: problems(service))
    mosquitto.start()
    await service.wait_ready()
    async with events.publisher(mosquitto.url) as mqtt:
        await send(mqtt, events.uplinks(10))
    client = await nats_account.connect()
    await eventually(lambda: reaches(client, 10))


async def test_a_refused_login_is_reported_with_its_remedy(nats_account: NatsAccount, run_service: RunService):
    wrong = nats_account.mqtt_url.replace("@", "wrong@")
    service = await run_service("uplink_ingestor", environment(nats_account.url, wrong, "3.1.1"), ready=False)
    report = await eventually(lambda: mqtt_problem(service, "PARKSTREAM_MQTT_URL"))
    assert "nats" not in report
    assert service.stop() == 0


async def mqtt_problem(service: Service, words: str) -> dict[str, str] | None:
    try:
        found = await problems(service)
    except httpx.TransportError:
        return None
    return found if found and words in found.get("mqtt", "") else None


async def test_bodies_from_ingress_are_taken_like_mqtt_messages(
    broker: dict[str, str], nats_account: NatsAccount, run_service: RunService, events
):
    await run_service("uplink_ingestor", broker)
    client = await nats_account.connect()
    context = client.jetstream()
    headers = {"Parkstream-Source": "signed-proxy", "Parkstream-Received-At": "2026-07-22T16:00:05+00:00"}
    await context.publish("parking.v1.ingress.up", json.dumps(events.make_body("up")).encode(), headers=headers)
    replayed = {**headers, "Parkstream-Topic": events.topic_of("up"), "Parkstream-Replay": "1"}
    await context.publish("parking.v1.ingress.up", json.dumps(events.make_body("up")).encode(), headers=replayed)
    await context.publish("parking.v1.ingress.up", b"garbage", headers=headers)

    await eventually(lambda: reaches(client, 2))
    await eventually(lambda: holds(client, "DEAD_LETTERS", 1))
    await eventually(lambda: holds(client, "INGRESS", 0))
    base = "signed-proxy:up:3ac7e3c4-4401-4b8d-9386-a5c902f9202d"
    assert await ids_in(client) == [base, f"{base}:replay-1"]
    uplink = json.loads((await context.get_last_msg("UPLINKS", "parking.v1.uplink.0101010101010101")).data)
    assert uplink["received_at"] == "2026-07-22T16:00:05Z"


async def test_a_replay_that_fails_again_leaves_a_letter_that_can_be_replayed_again(
    broker: dict[str, str], nats_account: NatsAccount, run_service: RunService, events
):
    await run_service("uplink_ingestor", broker)
    client = await nats_account.connect()
    context = client.jetstream()
    receipt = {"Parkstream-Source": "signed-proxy", "Parkstream-Received-At": "2026-07-22T16:00:05+00:00"}
    topic = events.topic_of("up")
    replayed = {**receipt, "Parkstream-Topic": topic, "Parkstream-Replay": "7"}
    await context.publish("parking.v1.ingress.up", b"garbage", headers=replayed)
    await context.publish("parking.v1.ingress.up", b"rubbish", headers=receipt)

    await eventually(lambda: holds(client, "DEAD_LETTERS", 2))
    letters = [json.loads((await context.get_msg("DEAD_LETTERS", number)).data) for number in (1, 2)]
    assert [(one["origin"], one["address"]) for one in letters] == [
        ("mqtt", topic),
        ("jetstream", "parking.v1.ingress.up"),
    ]
    assert {one["source"] for one in letters} == {"signed-proxy"}
    assert {one["received_at"] for one in letters} == {"2026-07-22T16:00:05Z"}
