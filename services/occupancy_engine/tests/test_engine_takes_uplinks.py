"""From an uplink on the bus to readings, stays, the space and its event, through the real engine process."""

from datetime import timedelta

import msgspec
import pytest

from parking_contracts.space import SpaceStateChanged
from stack.platform import NOON, Platform, uplink
from stack.waiting import eventually

EUI = "0101010101010101"


@pytest.fixture
async def city(platform: Platform, run_service, service_env) -> Platform:
    await run_service("occupancy_engine", service_env)
    await platform.settle_in()
    return platform


async def test_an_arrival_and_a_departure_become_a_stay_and_two_changes(city: Platform):
    space_id = await city.space(EUI)
    assert await city.state(space_id) == ("unknown", "silence")

    await city.publish(uplink(EUI, 1, False), uplink(EUI, 2, True), uplink(EUI, 9, False))
    await eventually(city.idle)

    assert await city.state(space_id) == ("free", "sensor")
    assert await city.stays(space_id) == [(NOON + timedelta(minutes=2), NOON + timedelta(minutes=9))]
    changes = await city.rows("SELECT state, version, source, cause FROM occupancy.state_changes ORDER BY version")
    assert [row["state"] for row in changes] == ["free", "occupied", "free"]
    assert [row["version"] for row in changes] == [2, 3, 4]
    assert changes[1]["cause"] == f"uplink:{EUI}:2"


async def test_every_change_is_published_once_in_order_as_a_cloud_event(city: Platform):
    space_id = await city.space(EUI)
    subscription = await city.bus.jetstream().subscribe("parking.v1.space.>", ordered_consumer=True)
    await city.publish(*(uplink(EUI, n, n % 2 == 0) for n in range(1, 21)))

    messages = [await subscription.next_msg(timeout=5) for _ in range(21)]
    assert messages[0].headers["ce-type"] == "parkstream.space.created.v1"
    events = [msgspec.json.decode(message.data, type=SpaceStateChanged) for message in messages[1:]]
    assert [event.version for event in events] == list(range(2, 22))
    assert {event.space_id for event in events} == {space_id}
    headers = messages[5].headers
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-id"] == headers["Nats-Msg-Id"]


async def test_a_redelivered_frame_changes_nothing(city: Platform):
    space_id = await city.space(EUI)
    frames = [uplink(EUI, 1, False), uplink(EUI, 2, True)]
    await city.publish(*frames, *frames, *frames)
    await eventually(city.idle)
    assert len(await city.rows("SELECT 1 FROM occupancy.sensor_readings")) == 2
    assert len(await city.stays(space_id)) == 1
    assert len(await city.rows("SELECT 1 FROM occupancy.state_changes")) == 2


async def test_a_late_frame_mends_the_stays_and_leaves_the_state(city: Platform):
    space_id = await city.space(EUI)
    await city.publish(uplink(EUI, 1, False), uplink(EUI, 2, True), uplink(EUI, 8, True), uplink(EUI, 9, False))
    await eventually(city.idle)
    await city.publish(uplink(EUI, 5, False), uplink(EUI, 6, True))
    await eventually(city.idle)
    minute = timedelta(minutes=1)
    assert await city.stays(space_id) == [
        (NOON + 2 * minute, NOON + 5 * minute),
        (NOON + 6 * minute, NOON + 9 * minute),
    ]
    assert await city.state(space_id) == ("free", "sensor")
    assert len(await city.rows("SELECT 1 FROM occupancy.state_changes")) == 3


async def test_a_mac_only_frame_says_nothing(city: Platform):
    space_id = await city.space(EUI)
    await city.publish(uplink(EUI, 1, True), uplink(EUI, 2, None))
    await eventually(city.idle)
    assert await city.state(space_id) == ("occupied", "sensor")


async def test_an_unreadable_payload_is_a_dead_letter_and_a_stored_reading(city: Platform):
    await city.space(EUI)
    letters = await city.bus.jetstream().subscribe("parking.v1.dead.>", ordered_consumer=True)
    await city.publish(uplink(EUI, 1, True, data=b"\xff\xff\xff\xff", f_port=7), uplink(EUI, 2, True))
    message = await letters.next_msg(timeout=5)
    assert message.subject == "parking.v1.dead.occupancy_engine.codec_failure"
    await eventually(city.idle)
    (broken, _) = await city.rows("SELECT payload, decode_error FROM occupancy.sensor_readings ORDER BY f_cnt")
    assert broken["payload"] == b"\xff\xff\xff\xff"
    assert broken["decode_error"]


async def test_poison_on_the_stream_is_set_aside_and_the_flow_goes_on(city: Platform):
    space_id = await city.space(EUI)
    letters = await city.bus.jetstream().subscribe("parking.v1.dead.>", ordered_consumer=True)
    jetstream = city.bus.jetstream()
    for poison in (b"not json", b'{"dev_eui":1}', b"\xff\xfe", b"{}", b""):
        await jetstream.publish(f"parking.v1.uplink.{EUI}", poison)
    await city.publish(uplink("0202020202020202", 1, True, device_name="nul\x00here"), uplink(EUI, 2, True))
    for _ in range(6):
        await letters.next_msg(timeout=5)
    await eventually(city.idle)
    assert await city.state(space_id) == ("occupied", "sensor")
