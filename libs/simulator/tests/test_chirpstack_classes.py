"""When class A and class C are served, and what becomes of each item: transmitted, acknowledged, given up."""

import pytest
from chirpstack_api import api

from parking_codecs.display import Colour
from parking_simulator.chirpstack import ChirpStackDouble
from parking_simulator.chirpstack.displays import Busylight, HeltecSign, RgbLight
from parking_simulator.chirpstack_events import AckEvent, TxAckEvent
from stack.chirpstack import StartChirpStack, call, enqueue, network_of, only, told
from stack.waiting import eventually

RED, GREEN = Colour(255, 0, 0), Colour(0, 255, 0)
RED_BYTES, GREEN_BYTES = b"\xff\x00\x00\xff\x00", b"\x00\x00\xff\xff\x00"


@pytest.fixture
async def busylight(chirpstack: StartChirpStack) -> ChirpStackDouble:
    """A double with one Busylight, at no broker."""
    return await chirpstack(network_of(Busylight), mqtt=None)


async def test_a_confirmed_item_of_class_c_is_acknowledged_at_once(busylight: ChirpStackDouble) -> None:
    item_id = await enqueue(busylight, only(busylight).device.dev_eui, RED_BYTES, confirmed=True)
    (ack,) = await eventually(told(busylight, AckEvent, item_id))
    assert ack.acknowledged
    assert only(busylight).shows == RED


async def test_without_an_acknowledgement_class_c_waits_for_its_time_out_and_never_sends_again(
    busylight: ChirpStackDouble,
) -> None:
    display = only(busylight)
    eui = display.device.dev_eui
    busylight.network.profile_of(display.device).class_c_timeout_seconds = 2.0
    display.acknowledges = False
    first = await enqueue(busylight, eui, RED_BYTES, confirmed=True)
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


async def test_class_a_acknowledges_with_its_next_uplink(chirpstack: StartChirpStack) -> None:
    double = await chirpstack(network_of(HeltecSign, device_class="A"), mqtt=None)
    display = only(double)
    item_id = await enqueue(double, display.device.dev_eui, b"\x02", f_port=1, confirmed=True)
    display.report()
    await eventually(told(double, TxAckEvent, item_id))
    assert told(double, AckEvent, item_id)() == []
    display.report()
    (ack,) = told(double, AckEvent, item_id)()
    assert ack.acknowledged
    assert ack.deduplication_id == double.events[-2].deduplication_id  # the uplink's that carried it
    assert double.queue_of(display.device.dev_eui) == []


async def test_an_item_flushed_on_its_way_goes_on_air_and_is_not_reported(chirpstack: StartChirpStack) -> None:
    double = await chirpstack(network_of(HeltecSign, device_class="A"), mqtt=None)
    display = only(double)
    item_id = await enqueue(double, display.device.dev_eui, b"\x02", f_port=1)
    double.timing.class_a_window_seconds = 2.0
    display.report()
    request = api.FlushDeviceQueueRequest(dev_eui=display.device.dev_eui)
    await call(double, api.DeviceServiceStub).FlushQueue(request)
    await eventually(lambda: display.shows == "OCCUPIED")
    assert told(double, TxAckEvent, item_id)() == []


async def test_a_downlink_lost_on_air_is_a_txack_all_the_same(busylight: ChirpStackDouble) -> None:
    display = only(busylight)
    display.lose_next()
    item_id = await enqueue(busylight, display.device.dev_eui, RED_BYTES)
    await eventually(told(busylight, TxAckEvent, item_id))
    assert display.shows == GREEN
    await enqueue(busylight, display.device.dev_eui, RED_BYTES)
    await eventually(lambda: display.shows == RED)
