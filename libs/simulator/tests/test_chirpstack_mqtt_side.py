"""The double's MQTT side on a real broker: events, commands, and uplinks that somebody else publishes."""

import json

import aiomqtt

from parking_codecs.display import Colour
from parking_simulator.chirpstack.displays import Busylight, HeltecSign
from parking_simulator.chirpstack_events import TxAckEvent, UplinkEvent
from parking_simulator.publisher import parse_broker
from stack.chirpstack import APPLICATION_ID, GATEWAY_ID, StartChirpStack, enqueue, network_of, only, told
from stack.servers import NatsAccount
from stack.waiting import eventually

RED, GREEN = Colour(255, 0, 0), Colour(0, 255, 0)
RED_BYTES, GREEN_BYTES = b"\xff\x00\x00\xff\x00", b"\x00\x00\xff\xff\x00"


async def test_events_and_commands_travel_over_mqtt(
    chirpstack: StartChirpStack, empty_nats_account: NatsAccount
) -> None:
    double = await chirpstack(network_of(Busylight))
    display, eui = only(double), only(double).device.dev_eui
    broker = parse_broker(empty_nats_account.mqtt_url)
    mine = "0f0e0d0c-0b0a-4908-8706-050403020100"
    async with aiomqtt.Client(
        broker.host, broker.port, username=broker.username, password=broker.password, identifier="t"
    ) as client:
        await client.subscribe(f"application/{APPLICATION_ID}/device/{eui}/event/+", qos=1)
        body = {"devEui": eui, "confirmed": False, "fPort": 15, "data": "/wAA/wAB", "id": mine}
        for application in ("11111111-1111-4111-8111-111111111111", APPLICATION_ID):
            await client.publish(f"application/{application}/device/{eui}/command/down", json.dumps(body), qos=1)
        heard = {}
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            heard[str(message.topic).rpartition("/")[2]] = json.loads(message.payload)
            if {"txack", "up"} <= set(heard):
                break
    assert heard["txack"]["queueItemId"] == mine
    assert heard["txack"]["txInfo"]["timing"] == {"immediately": {}}
    assert heard["up"]["data"]
    assert display.shows == RED
    assert [(one.id, one.via) for one in double.enqueued] == [(mine, "mqtt")]
    assert [reason for _, reason in double.refused] == [
        "Application ID from topic does not match application ID from device"
    ]


async def test_an_uplink_that_somebody_else_publishes_opens_the_window_of_its_device(
    chirpstack: StartChirpStack, empty_nats_account: NatsAccount
) -> None:
    network = network_of(HeltecSign, device_class="A")
    (device,) = network.devices.values()
    device.display = None
    double = await chirpstack(network)
    item_id = await enqueue(double, device.dev_eui, b"\x01", f_port=1)
    broker = parse_broker(empty_nats_account.mqtt_url)
    body = {
        "deviceInfo": {"devEui": device.dev_eui},
        "deduplicationId": "d",
        "rxInfo": [{"gatewayId": "00" * 8, "snr": -5.5}, {"gatewayId": GATEWAY_ID, "snr": 9.0}],
    }
    async with aiomqtt.Client(
        broker.host, broker.port, username=broker.username, password=broker.password, identifier="t"
    ) as client:
        topic = f"application/{APPLICATION_ID}/device/{device.dev_eui}/event/up"
        await client.publish(topic, json.dumps(body), qos=1)
        (txack,) = await eventually(told(double, TxAckEvent, item_id))
    assert txack.gateway_id == GATEWAY_ID
    assert device.last_seen_at is not None
    assert not [one for one in double.events if isinstance(one, UplinkEvent)]
