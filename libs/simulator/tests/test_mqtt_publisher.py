"""The publisher against real brokers: everything arrives, also when the broker goes away in the middle."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiomqtt
import pytest

from parking_simulator.fleet_plan import make_device
from parking_simulator.occurrences import Uplink
from parking_simulator.pacing import publish_paced
from parking_simulator.publisher import Broker, BrokerRefusedError, MqttVersion, Publisher, parse_broker
from parking_simulator.rendering import Application, Message, Renderer
from parking_simulator.sensors import SENSORS
from stack.brokers import Mosquitto
from stack.servers import NatsAccount
from stack.waiting import eventually

TOPIC = "application/a/device/0101010101010101/event/up"


@asynccontextmanager
async def heard(url: str) -> AsyncIterator[list[bytes]]:
    """The payloads that a subscriber of all applications has received so far."""
    payloads: list[bytes] = []
    broker = parse_broker(url)

    async def listen(client: aiomqtt.Client) -> None:
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            payloads.append(message.payload)

    async with aiomqtt.Client(
        broker.host, broker.port, username=broker.username, password=broker.password, identifier="listener"
    ) as client:
        await client.subscribe("application/#", qos=1)
        listener = asyncio.create_task(listen(client))
        yield payloads
        listener.cancel()


def numbers(count: int) -> list[Message]:
    return [Message(TOPIC, str(number).encode()) for number in range(count)]


async def test_everything_arrives_through_nats(empty_nats_account: NatsAccount) -> None:
    async with heard(empty_nats_account.mqtt_url) as payloads:
        async with Publisher(parse_broker(empty_nats_account.mqtt_url), client_id="sim") as publisher:
            for message in numbers(3_000):
                await publisher.publish(message)
            await publisher.drain()
            assert publisher.acknowledged == 3_000
            assert publisher.unacknowledged == 0
        await eventually(lambda: len(set(payloads)) == 3_000)


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_everything_arrives_through_mosquitto(mosquitto: Mosquitto, version: MqttVersion) -> None:
    async with heard(mosquitto.url) as payloads:
        async with Publisher(parse_broker(mosquitto.url), client_id="sim", version=version) as publisher:
            for message in numbers(3_000):
                await publisher.publish(message)
            await publisher.drain()
        await eventually(lambda: len(payloads) == 3_000)
        assert payloads == [message.payload for message in numbers(3_000)]


async def test_a_broker_that_goes_away_gets_the_rest_when_it_is_back(mosquitto: Mosquitto) -> None:
    broker = parse_broker(mosquitto.url)
    async with aiomqtt.Client(broker.host, broker.port, identifier="keeper", clean_session=False) as keeper:
        await keeper.subscribe("application/#", qos=1)
    async with Publisher(broker, client_id="sim", window=200) as publisher:
        for message in numbers(1_000):
            await publisher.publish(message)
        mosquitto.stop()
        rest = asyncio.create_task(publish_all(publisher, numbers(2_000)[1_000:]))
        await eventually(lambda: publisher.reconnects > 0)
        mosquitto.start()
        await rest
        assert publisher.unacknowledged == 0
    received = set()
    async with aiomqtt.Client(broker.host, broker.port, identifier="keeper", clean_session=False) as keeper:
        async for kept in keeper.messages:
            received.add(kept.payload)
            if len(received) == 2_000:
                break


async def publish_all(publisher: Publisher, messages: list[Message]) -> None:
    for message in messages:
        await publisher.publish(message)
    await publisher.drain()


async def test_nobody_listening_is_said_at_once(free_port: object) -> None:
    port = free_port()  # type: ignore[operator]  # the fixture is a function
    with pytest.raises(BrokerRefusedError):
        async with Publisher(Broker(host="127.0.0.1", port=port), client_id="sim"):
            pass


async def test_frames_leave_at_a_multiple_of_their_own_clock(mosquitto: Mosquitto) -> None:
    model = SENSORS["bosch"]
    device = make_device("run", "B1", model)
    frames = [Uplink(device, second * 10**9, "00189440", second, 1, b"\x01") for second in range(21)]
    reached: list[int] = []
    async with heard(mosquitto.url) as payloads, Publisher(parse_broker(mosquitto.url), client_id="sim") as publisher:
        began = asyncio.get_running_loop().time()
        renderer = Renderer(Application(id="a", name="parking"))
        count = await publish_paced(frames, renderer, publisher, speed=40, origin_ns=0, on_progress=reached.append)
        await publisher.drain()
        assert asyncio.get_running_loop().time() - began >= 20 / 40
        await eventually(lambda: len(payloads) == 21)
    assert count == 21
    assert reached[-1] == 20 * 10**9
    assert [json.loads(payload)["fCnt"] for payload in payloads] == list(range(21))


@pytest.mark.parametrize(
    ("url", "broker"),
    [
        ("mqtt://h", Broker(host="h", port=1883)),
        (
            "mqtt://us%40er:p%3Ass@127.0.0.1:1999",
            Broker(host="127.0.0.1", port=1999, username="us@er", password="p:ss"),
        ),
    ],
)
def test_a_broker_url_is_read(url: str, broker: Broker) -> None:
    assert parse_broker(url) == broker


@pytest.mark.parametrize("url", ["http://h", "h:1883", "mqtt://", ""])
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="mqtt://user:password@host:1883"):
        parse_broker(url)


def test_a_broker_url_with_tls_is_read() -> None:
    broker = parse_broker("mqtts://h")
    assert (broker.host, broker.port, broker.tls is not None) == ("h", 8883, True)
