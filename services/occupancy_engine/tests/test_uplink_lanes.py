"""A large batch is worked on in lanes: a device's frames stay together and in order, and none is lost."""

from occupancy_engine.uplinks import LANES, WORTH_DIVIDING, Work, lanes_of
from parking_chassis.pull_consumer import Delivery
from stack.platform import uplink


def batch(count: int, devices: int) -> list[Work]:
    return [Work(Delivery(b"", None, b""), uplink(f"{n % devices:016x}", n, occupied=True)) for n in range(count)]


def test_a_devices_frames_are_in_one_lane_and_in_order():
    work = batch(WORTH_DIVIDING, 17)

    lanes = lanes_of(work)

    assert len(lanes) == LANES
    assert sorted(one.uplink.f_cnt for lane in lanes for one in lane) == list(range(WORTH_DIVIDING))
    for lane, other in zip(lanes, reversed(lanes), strict=True):
        assert {one.uplink.dev_eui for one in lane}.isdisjoint(one.uplink.dev_eui for one in other)
        assert [one.uplink.f_cnt for one in lane] == sorted(one.uplink.f_cnt for one in lane)


def test_a_small_batch_is_one_lane_and_an_empty_one_is_none():
    assert len(lanes_of(batch(WORTH_DIVIDING - 1, 17))) == 1
    assert lanes_of([]) == []
