"""Enqueue and the queue over real gRPC, with ChirpStack's oddities; class A and C; what becomes of each item."""

import json
from collections.abc import Callable
from typing import Any

import aiomqtt
import grpc
import pytest
from chirpstack_api import api

from parking_codecs.display import Colour
from parking_simulator.chirpstack import ChirpStackDouble, Enqueued, Timing
from parking_simulator.chirpstack.displays import Busylight, HeltecSign, RgbLight
from parking_simulator.chirpstack_events import AckEvent, Event, JoinEvent, LogEvent, TxAckEvent, UplinkEvent
from parking_simulator.publisher import parse_broker
from stack.chirpstack import APPLICATION_ID, GATEWAY_ID, StartChirpStack, call, network_of
from stack.servers import NatsAccount
from stack.waiting import eventually

RED, GREEN = Colour(255, 0, 0), Colour(0, 255, 0)
RED_BYTES, GREEN_BYTES, ASKING_BYTES = b"\xff\x00\x00\xff\x00", b"\x00\x00\xff\xff\x00", b"\xff\x00\x00\xff\x00\x01"


async def enqueue(double: ChirpStackDouble, dev_eui: str, data: bytes = RED_BYTES, **given: Any) -> str:
    flush = given.pop("flush", False)
    token = given.pop("token", "")
    item = api.DeviceQueueItem(**{"dev_eui": dev_eui, "f_port": 15, "data": data, **given})
    request = api.EnqueueDeviceQueueItemRequest(queue_item=item, flush_queue=flush)
    return (await call(double, api.DeviceServiceStub, token=token).Enqueue(request)).id


async def refusal(attempt: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await attempt
    return refused.value.code(), refused.value.details() or ""


def only(double: ChirpStackDouble) -> Any:
    (display,) = double.displays.values()
    return display


def told(double: ChirpStackDouble, kind: type, item_id: str) -> Callable[[], list[Any]]:
    """The events of one kind about an item."""

    def find() -> list[Any]:
        return [one for one in double.events if isinstance(one, kind) and item_of(one) == item_id]

    return find


def item_of(event: Event) -> str | None:
    if isinstance(event, LogEvent):
        return event.context.get("queue_item_id")
    return getattr(event, "queue_item_id", None)


@pytest.fixture
async def busylight(chirpstack: StartChirpStack) -> ChirpStackDouble:
    """A double with one Busylight, at no broker."""
    return await chirpstack(network_of(Busylight), mqtt=None)


async def test_class_c_is_served_at_once_through_the_gateway_of_the_last_uplink(busylight: ChirpStackDouble) -> None:
    display = only(busylight)
    assert display.shows == GREEN
    item_id = await enqueue(busylight, display.device.dev_eui)
    await eventually(lambda: display.shows == RED)
    (txack,) = told(busylight, TxAckEvent, item_id)()
    assert (txack.gateway_id, txack.f_cnt_down) == (GATEWAY_ID, 0)
    assert busylight.queue_of(display.device.dev_eui) == []
    assert sum(busylight.network.gateways[GATEWAY_ID].sent.values()) == 1


async def test_the_id_sent_to_enqueue_is_ignored(busylight: ChirpStackDouble) -> None:
    mine = "0f0e0d0c-0b0a-0908-0706-050403020100"
    answered = await enqueue(busylight, only(busylight).device.dev_eui, id=mine)
    assert answered != mine
    assert [one.id for one in busylight.enqueued] == [answered]


async def test_a_port_is_cast_to_eight_bits_and_0_is_refused(busylight: ChirpStackDouble) -> None:
    eui = only(busylight).device.dev_eui
    await enqueue(busylight, eui, f_port=257)
    assert busylight.enqueued[-1].f_port == 1
    for port in (0, 256):
        code, said = await refusal(enqueue(busylight, eui, f_port=port))
        assert (code, "FPort must be between" in said) == (grpc.StatusCode.INVALID_ARGUMENT, True)


@pytest.mark.parametrize(
    ("dev_eui", "code"),
    [
        ("0102", grpc.StatusCode.INTERNAL),
        ("zz02030405060708", grpc.StatusCode.INTERNAL),
        ("0102030405060708", grpc.StatusCode.NOT_FOUND),
    ],
)
async def test_a_malformed_eui_is_internal_and_an_unknown_one_not_found(
    busylight: ChirpStackDouble, dev_eui: str, code: grpc.StatusCode
) -> None:
    assert (await refusal(enqueue(busylight, dev_eui)))[0] is code
    assert busylight.enqueued == []


async def test_nothing_goes_out_before_the_device_has_spoken_and_while_its_gateway_is_offline(
    busylight: ChirpStackDouble,
) -> None:
    display, gateway = only(busylight), busylight.network.gateways[GATEWAY_ID]
    busylight.timing.gateway_retry_seconds = 0.05
    gateway.state = "offline"
    item_id = await enqueue(busylight, display.device.dev_eui)

    def complaints() -> list[Event]:
        return [one for one in busylight.events if isinstance(one, LogEvent) and one.code == "DOWNLINK_GATEWAY"]

    await eventually(complaints)
    assert [one.id for one in busylight.queue_of(display.device.dev_eui)] == [item_id]
    assert told(busylight, TxAckEvent, item_id)() == []
    assert display.shows == GREEN
    gateway.state = "online"
    await eventually(lambda: display.shows == RED)


async def test_flush_queue_empties_the_queue_first(busylight: ChirpStackDouble) -> None:
    display = only(busylight)
    eui = display.device.dev_eui
    busylight.network.gateways[GATEWAY_ID].state = "offline"
    for _ in range(3):
        await enqueue(busylight, eui)
    last = await enqueue(busylight, eui, GREEN_BYTES, flush=True)
    queue = await call(busylight, api.DeviceServiceStub).GetQueue(api.GetDeviceQueueItemsRequest(dev_eui=eui))
    assert (queue.total_count, [one.id for one in queue.result]) == (1, [last])
    count = await call(busylight, api.DeviceServiceStub).GetQueue(
        api.GetDeviceQueueItemsRequest(dev_eui=eui, count_only=True)
    )
    assert (count.total_count, len(count.result)) == (1, 0)
    await call(busylight, api.DeviceServiceStub).FlushQueue(api.FlushDeviceQueueRequest(dev_eui=eui))
    assert busylight.queue_of(eui) == []


async def test_an_item_too_large_for_rx2_is_dropped_with_its_id(busylight: ChirpStackDouble) -> None:
    item_id = await enqueue(busylight, only(busylight).device.dev_eui, bytes(52))
    (log,) = await eventually(told(busylight, LogEvent, item_id))
    assert (log.code, log.level) == ("DOWNLINK_PAYLOAD_SIZE", "ERROR")
    assert (log.context["max_payload_size"], log.context["item_size"]) == ("51", "52")
    assert busylight.queue_of(only(busylight).device.dev_eui) == []


async def test_an_expired_item_is_dropped_with_its_id(busylight: ChirpStackDouble) -> None:
    from google.protobuf.timestamp_pb2 import Timestamp

    long_ago = Timestamp(seconds=1_700_000_000)
    item_id = await enqueue(busylight, only(busylight).device.dev_eui, expires_at=long_ago)
    (log,) = await eventually(told(busylight, LogEvent, item_id))
    assert log.code == "EXPIRED"
    assert only(busylight).shows == GREEN


async def test_a_confirmed_item_of_class_c_is_acknowledged_at_once(busylight: ChirpStackDouble) -> None:
    item_id = await enqueue(busylight, only(busylight).device.dev_eui, confirmed=True)
    (ack,) = await eventually(told(busylight, AckEvent, item_id))
    assert ack.acknowledged
    assert only(busylight).shows == RED


async def test_without_an_acknowledgement_class_c_waits_for_its_time_out_and_never_sends_again(
    busylight: ChirpStackDouble,
) -> None:
    display = only(busylight)
    eui = display.device.dev_eui
    busylight.network.profile_of(display.device).class_c_timeout_seconds = 0.3
    display.acknowledges = False
    first = await enqueue(busylight, eui, confirmed=True)
    second = await enqueue(busylight, eui, GREEN_BYTES)
    await eventually(lambda: display.shows == RED)
    listed = await call(busylight, api.DeviceServiceStub).GetQueue(api.GetDeviceQueueItemsRequest(dev_eui=eui))
    assert [(one.id, one.is_pending) for one in listed.result] == [(first, True), (second, False)]
    (ack,) = await eventually(told(busylight, AckEvent, first))
    assert not ack.acknowledged
    await eventually(lambda: display.shows == GREEN)
    assert [one.data for one in display.heard] == [RED_BYTES, GREEN_BYTES]


async def test_class_a_gets_one_item_per_uplink_in_the_window_after_it(chirpstack: StartChirpStack) -> None:
    double = await chirpstack(network_of(RgbLight, device_class="A"), mqtt=None)
    display = only(double)
    eui = display.device.dev_eui
    first = await enqueue(double, eui, b"\xff\x00\x00", f_port=1)
    second = await enqueue(double, eui, b"\x00\xff\x00", f_port=1)
    assert len(double.queue_of(eui)) == 2
    display.report()
    await eventually(told(double, TxAckEvent, first))
    # The light repeats what it was told, and that uplink opens the next window.
    await eventually(told(double, TxAckEvent, second))
    await eventually(lambda: display.shows == GREEN)
    assert double.queue_of(eui) == []


async def test_class_a_without_an_ack_on_its_next_uplink_is_given_up(chirpstack: StartChirpStack) -> None:
    double = await chirpstack(network_of(HeltecSign, device_class="A"), mqtt=None)
    display = only(double)
    eui = display.device.dev_eui
    display.acknowledges = False
    item_id = await enqueue(double, eui, b"\x02", f_port=1, confirmed=True)
    display.report()
    await eventually(told(double, TxAckEvent, item_id))
    assert [one.is_pending for one in double.queue_of(eui)] == [True]
    display.report()
    (ack,) = await eventually(told(double, AckEvent, item_id))
    assert not ack.acknowledged
    assert double.queue_of(eui) == []
    assert len(display.heard) == 1


async def test_a_downlink_lost_on_air_is_a_txack_all_the_same(busylight: ChirpStackDouble) -> None:
    display = only(busylight)
    display.lose_next()
    item_id = await enqueue(busylight, display.device.dev_eui)
    await eventually(told(busylight, TxAckEvent, item_id))
    assert display.shows == GREEN
    await enqueue(busylight, display.device.dev_eui)
    await eventually(lambda: display.shows == RED)


async def test_hooks_run_before_the_item_is_queued_and_before_the_answer_leaves(busylight: ChirpStackDouble) -> None:
    eui = only(busylight).device.dev_eui
    seen: list[tuple[str, int]] = []

    async def before(note: Enqueued) -> None:
        seen.append((note.dev_eui, len(busylight.enqueued)))

    async def after(_note: Enqueued) -> None:
        seen.append(("after", len(busylight.enqueued)))
        busylight.faults.refuse_tokens = True

    busylight.before_enqueue, busylight.after_enqueue = before, after
    assert await enqueue(busylight, eui) == busylight.enqueued[0].id
    assert seen == [(eui, 0), ("after", 1)]
    assert (await refusal(enqueue(busylight, eui)))[0] is grpc.StatusCode.UNAUTHENTICATED


async def test_a_stopped_double_is_away_and_comes_back_on_its_port_with_its_queues(
    busylight: ChirpStackDouble,
) -> None:
    display, url = only(busylight), busylight.url
    busylight.network.gateways[GATEWAY_ID].state = "offline"
    await enqueue(busylight, display.device.dev_eui)
    await busylight.stop()
    assert (await refusal(enqueue(busylight, display.device.dev_eui)))[0] is grpc.StatusCode.UNAVAILABLE
    busylight.network.gateways[GATEWAY_ID].state = "online"
    await busylight.start()
    assert busylight.url == url
    await eventually(lambda: display.shows == RED)
    joins = [one for one in busylight.events if isinstance(one, JoinEvent)]
    assert len(joins) == 1


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


async def test_timing_of_the_field_is_slower_than_that_of_tests() -> None:
    assert Timing.as_in_the_field().class_c_lock_seconds > Timing().class_c_lock_seconds
