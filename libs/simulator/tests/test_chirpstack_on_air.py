"""Displays behind the double: joins, reports, tampering, a city that wakes up; and the double on brokers that fail."""

import json
from pathlib import Path

import aiomqtt
import grpc
import pytest
from chirpstack_api import api
from grpc import aio

from parking_codecs.display import Colour
from parking_simulator.chirpstack import ChirpStackDouble, Network
from parking_simulator.chirpstack.city_network import network_of_city
from parking_simulator.chirpstack.displays import Busylight, HeltecSign, RgbLight
from parking_simulator.chirpstack_events import JoinEvent, TxAckEvent, UplinkEvent
from parking_simulator.city import DEMO_BAYS, DEMO_RUN, demo_city
from parking_simulator.fleet_plan import speaker_of
from parking_simulator.publisher import MqttVersion
from stack.brokers import Mosquitto
from stack.chirpstack import GATEWAY_ID, StartChirpStack, network_of
from stack.waiting import eventually
from stack.webhook_receiver import make_certificate

RED, GREEN = Colour(255, 0, 0), Colour(0, 255, 0)


async def order_red(double: ChirpStackDouble, dev_eui: str, channel: aio.Channel) -> None:
    item = api.DeviceQueueItem(dev_eui=dev_eui, f_port=15, data=b"\xff\x00\x00\xff\x00")
    request = api.EnqueueDeviceQueueItemRequest(queue_item=item)
    await api.DeviceServiceStub(channel).Enqueue(request, metadata=[("authorization", f"Bearer {double.token}")])


def of_kind(double: ChirpStackDouble, kind: type) -> list:
    return [one for one in double.events if isinstance(one, kind)]


async def test_a_rejoin_and_a_tampering_hand_are_told_by_the_displays_own_uplinks(chirpstack: StartChirpStack) -> None:
    double = await chirpstack(network_of(Busylight, RgbLight), mqtt=None)
    light, lamp = double.displays.values()
    light.tamper(RED)
    light.report()
    assert light.shows == RED
    light.rejoin()
    assert light.shows == GREEN
    joins = [one for one in of_kind(double, JoinEvent) if one.device_info.dev_eui == light.device.dev_eui]
    frames = [one for one in of_kind(double, UplinkEvent) if one.device_info.dev_eui == light.device.dev_eui]
    assert len({one.dev_addr for one in joins}) == 2
    assert [(one.f_cnt, one.dev_addr) for one in frames] == [
        (0, joins[0].dev_addr),
        (1, joins[0].dev_addr),
        (0, joins[1].dev_addr),
    ]
    assert [one.data[16:21].hex() for one in frames] == ["0000ffff00", "ff0000ff00", "0000ffff00"]
    lamp.tamper(RED)
    lamp.report()
    assert of_kind(double, UplinkEvent)[-1].data == b"\xff\x00\x00"


async def test_a_display_out_of_reach_is_neither_heard_nor_reached(chirpstack: StartChirpStack) -> None:
    network = network_of(HeltecSign)
    network.gateways[GATEWAY_ID].state = "never_seen"
    double = await chirpstack(network, mqtt=None)
    (sign,) = double.displays.values()
    assert of_kind(double, UplinkEvent) == []
    async with aio.insecure_channel(double.url.partition("://")[2]) as channel:
        await order_red(double, sign.device.dev_eui, channel)
    assert len(double.queue_of(sign.device.dev_eui)) == 1
    network.gateways[GATEWAY_ID].state = "online"
    sign.report()
    await eventually(lambda: sign.heard)


async def test_the_demo_city_sleeps_until_its_sensors_speak(chirpstack: StartChirpStack, mosquitto: Mosquitto) -> None:
    network = demo_network()
    sensor = next(one for one in network.devices.values() if one.display is None)
    double = await chirpstack(network, mqtt=mosquitto.url, mqtt_version="5", living=True)
    assert len(double.displays) == DEMO_BAYS
    assert double.events == []
    uplink = {"deviceInfo": {}, "rxInfo": [{"gatewayId": sensor.gateways[0]}]}
    async with aiomqtt.Client("127.0.0.1", mosquitto.port, identifier="sensor") as client:
        topic = f"application/{sensor.application_id}/device/{sensor.dev_eui}/event/up"
        await client.publish(topic, json.dumps(uplink), qos=1)
    await eventually(lambda: len(of_kind(double, JoinEvent)) > 3)
    assert sensor.last_seen_at is not None
    assert sum(network.gateways[sensor.gateways[0]].received.values()) >= 1


def demo_network() -> Network:
    return network_of_city(demo_city(source="chirpstack"), speaker_of(DEMO_RUN))


def test_the_demo_citys_network_is_that_of_its_fleet() -> None:
    network, fleet = demo_network(), demo_city(source="chirpstack").fleet
    application = network.applications[fleet.binding.application_id]
    for space in fleet.spaces:
        sensor, display = network.devices[str(space.sensor_eui)], network.devices[str(space.display_eui)]
        assert {sensor.application_id, display.application_id} == {application.id}
        assert (sensor.display, display.display is None) == (None, False)
        assert display.gateways == sensor.gateways
        assert set(display.gateways) <= set(network.gateways)
    shares = [
        sum(one.display == family for one in network.devices.values()) for family in ("busylight", "heltec", "rgb")
    ]
    assert shares == [168, 36, 36]


@pytest.mark.parametrize("version", ["3.1.1", "5"])
async def test_a_broker_that_was_away_gets_the_events_all_the_same(
    chirpstack: StartChirpStack, mosquitto: Mosquitto, version: MqttVersion
) -> None:
    double = await chirpstack(network_of(Busylight), mqtt=mosquitto.url, mqtt_version=version)
    (light,) = double.displays.values()
    await double.drain()
    mosquitto.kill()
    async with aio.insecure_channel(double.url.partition("://")[2]) as channel:
        await order_red(double, light.device.dev_eui, channel)
    await eventually(lambda: light.shows == RED)
    assert len(of_kind(double, TxAckEvent)) == 1
    mosquitto.start()
    await double.drain()


async def test_with_a_certificate_it_speaks_tls(chirpstack: StartChirpStack, tmp_path: Path) -> None:
    _, certificate = make_certificate(tmp_path, "localhost")
    double = await chirpstack(network_of(Busylight), mqtt=None, tls=(tmp_path / "key.pem", certificate))
    assert double.url.startswith("https://localhost:")
    credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
    async with aio.secure_channel(double.url.partition("://")[2], credentials) as channel:
        (light,) = double.displays.values()
        await order_red(double, light.device.dev_eui, channel)
    await eventually(lambda: light.shows == RED)
