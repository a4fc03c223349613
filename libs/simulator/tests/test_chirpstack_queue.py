"""Enqueue and the queue over real gRPC, with ChirpStack's oddities."""

from typing import Any

import grpc
import pytest
from chirpstack_api import api
from google.protobuf.timestamp_pb2 import Timestamp

from parking_codecs.display import Colour
from parking_simulator.chirpstack import ChirpStackDouble, Enqueued
from parking_simulator.chirpstack.displays import Busylight
from parking_simulator.chirpstack_events import Event, JoinEvent, LogEvent, TxAckEvent
from stack.chirpstack import GATEWAY_ID, StartChirpStack, call, enqueue, network_of, only, told
from stack.waiting import eventually

RED, GREEN = Colour(255, 0, 0), Colour(0, 255, 0)
RED_BYTES, GREEN_BYTES = b"\xff\x00\x00\xff\x00", b"\x00\x00\xff\xff\x00"


async def refusal(attempt: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await attempt
    return refused.value.code(), refused.value.details() or ""


@pytest.fixture
async def busylight(chirpstack: StartChirpStack) -> ChirpStackDouble:
    """A double with one Busylight, at no broker."""
    return await chirpstack(network_of(Busylight), mqtt=None)


async def test_class_c_is_served_at_once_through_the_gateway_of_the_last_uplink(busylight: ChirpStackDouble) -> None:
    display = only(busylight)
    assert display.shows == GREEN
    item_id = await enqueue(busylight, display.device.dev_eui, RED_BYTES)
    await eventually(lambda: display.shows == RED)
    (txack,) = told(busylight, TxAckEvent, item_id)()
    assert (txack.gateway_id, txack.f_cnt_down) == (GATEWAY_ID, 0)
    assert busylight.queue_of(display.device.dev_eui) == []
    assert sum(busylight.network.gateways[GATEWAY_ID].sent.values()) == 1


async def test_the_id_sent_to_enqueue_is_ignored(busylight: ChirpStackDouble) -> None:
    mine = "0f0e0d0c-0b0a-0908-0706-050403020100"
    answered = await enqueue(busylight, only(busylight).device.dev_eui, RED_BYTES, id=mine)
    assert answered != mine
    assert [one.id for one in busylight.enqueued] == [answered]


async def test_a_port_is_cast_to_eight_bits_and_0_is_refused(busylight: ChirpStackDouble) -> None:
    eui = only(busylight).device.dev_eui
    await enqueue(busylight, eui, RED_BYTES, f_port=257)
    assert busylight.enqueued[-1].f_port == 1
    for port in (0, 256):
        code, said = await refusal(enqueue(busylight, eui, RED_BYTES, f_port=port))
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
    assert (await refusal(enqueue(busylight, dev_eui, RED_BYTES)))[0] is code
    assert busylight.enqueued == []


async def test_nothing_goes_out_while_the_gateway_of_the_last_uplink_is_offline(
    busylight: ChirpStackDouble,
) -> None:
    display, gateway = only(busylight), busylight.network.gateways[GATEWAY_ID]
    busylight.timing.gateway_retry_seconds = 0.05
    gateway.state = "offline"
    item_id = await enqueue(busylight, display.device.dev_eui, RED_BYTES)

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
        await enqueue(busylight, eui, RED_BYTES)
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
    long_ago = Timestamp(seconds=1_700_000_000)
    item_id = await enqueue(busylight, only(busylight).device.dev_eui, RED_BYTES, expires_at=long_ago)
    (log,) = await eventually(told(busylight, LogEvent, item_id))
    assert log.code == "EXPIRED"
    assert only(busylight).shows == GREEN


async def test_hooks_run_before_the_item_is_queued_and_before_the_answer_leaves(busylight: ChirpStackDouble) -> None:
    eui = only(busylight).device.dev_eui
    seen: list[tuple[str, int]] = []

    async def before(note: Enqueued) -> None:
        seen.append((note.dev_eui, len(busylight.enqueued)))

    async def after(_note: Enqueued) -> None:
        seen.append(("after", len(busylight.enqueued)))
        busylight.faults.refuse_tokens = True

    busylight.before_enqueue, busylight.after_enqueue = before, after
    assert await enqueue(busylight, eui, RED_BYTES) == busylight.enqueued[0].id
    assert seen == [(eui, 0), ("after", 1)]
    assert (await refusal(enqueue(busylight, eui, RED_BYTES)))[0] is grpc.StatusCode.UNAUTHENTICATED


async def test_a_stopped_double_is_away_and_comes_back_on_its_port_with_its_queues(
    busylight: ChirpStackDouble,
) -> None:
    display, url = only(busylight), busylight.url
    busylight.network.gateways[GATEWAY_ID].state = "offline"
    await enqueue(busylight, display.device.dev_eui, RED_BYTES)
    await busylight.stop()
    assert (await refusal(enqueue(busylight, display.device.dev_eui, RED_BYTES)))[0] is grpc.StatusCode.UNAVAILABLE
    busylight.network.gateways[GATEWAY_ID].state = "online"
    await busylight.start()
    assert busylight.url == url
    await eventually(lambda: display.shows == RED)
    joins = [one for one in busylight.events if isinstance(one, JoinEvent)]
    assert len(joins) == 1
