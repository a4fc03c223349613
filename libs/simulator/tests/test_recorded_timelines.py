"""Whatever the order of delivery, the frames of a recording say what was recorded."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking_codecs import load_registry
from parking_simulator.delivery import Tally, deliver
from parking_simulator.fleet_plan import make_device
from parking_simulator.occurrences import SECOND_NS, Join, Occurrence, Uplink
from parking_simulator.recording import Plan, RecordedBay, tell
from parking_simulator.sensors import SENSORS
from parking_simulator.stays import Interval, union

REGISTRY = load_registry()
SPAN = Interval(1_479_000_000, 1_479_000_000 + 5 * 86_400)
STAYS = st.lists(
    st.tuples(st.integers(SPAN.start, SPAN.end - 60), st.integers(60, 20_000)).map(
        lambda pair: Interval(pair[0] // 60 * 60, (pair[0] + pair[1]) // 60 * 60)
    ),
    max_size=25,
).map(union)


def recorded_bay(code: str, family: str, stays: list[Interval]) -> RecordedBay:
    model = SENSORS[family]
    return RecordedBay(make_device("run", code, model), model, stays)


def fold(delivered: Iterable[Occurrence]) -> dict[str, list[Interval]]:
    """The stays by device, from distinct frames ordered by session and fCnt, sessions by their first frame."""
    frames: dict[str, dict[tuple[str, int], Uplink]] = defaultdict(dict)
    for frame in delivered:
        if isinstance(frame, Uplink):
            frames[frame.device.dev_eui][frame.dev_addr, frame.f_cnt] = frame
    return {eui: fold_device(list(of_device.values())) for eui, of_device in frames.items()}


def fold_device(frames: list[Uplink]) -> list[Interval]:
    began: dict[str, int] = {}
    for frame in frames:
        began[frame.dev_addr] = min(frame.at_ns, began.get(frame.dev_addr, frame.at_ns))
    stays: list[Interval] = []
    arrived: int | None = None
    for frame in sorted(frames, key=lambda frame: (began[frame.dev_addr], frame.f_cnt)):
        if frame.f_port == 0 or not frame.data:
            continue
        choice = REGISTRY.choose(None, frame.device.profile_name, frame.device.dev_eui)
        assert choice is not None
        assert choice.sensor is not None
        occupied = choice.sensor.decode(frame.f_port, frame.data).occupied
        at = frame.at_ns // SECOND_NS
        if occupied and arrived is None:
            arrived = at
        elif occupied is False and arrived is not None:
            stays.append(Interval(arrived, at))
            arrived = None
    assert arrived is None, "every recording ends with free bays"
    return stays


@pytest.mark.parametrize("family", SENSORS)
@given(stays=STAYS, seed=st.integers(0, 1000))
def test_frames_in_any_order_of_delivery_fold_to_the_union(family: str, stays: list[Interval], seed: int) -> None:
    bay = recorded_bay("B1", family, stays)
    plan = Plan(span=SPAN, seed=seed, heartbeat_seconds=7_200, rejoining=0.5)
    told = list(tell([bay], plan))
    assert fold(told) == {bay.device.dev_eui: stays}
    tally = Tally()
    delivered = list(deliver(told, duplicates=0.2, late=0.2, seed=seed, tally=tally))
    assert fold(delivered) == {bay.device.dev_eui: stays}
    assert tally.messages == len(delivered)
    assert tally.uplinks == sum(isinstance(one, Uplink) for one in told)
    assert tally.duplicates == len(delivered) - len(told)


def test_a_device_counts_its_frames_without_a_gap_from_every_join_on() -> None:
    bay = recorded_bay("B1", "bosch", [Interval(SPAN.start + 600, SPAN.start + 6_000)])
    expected = 0
    sessions = []
    for occurrence in tell([bay], Plan(span=SPAN, seed=3, heartbeat_seconds=3_600, rejoining=1.0)):
        if isinstance(occurrence, Join):
            sessions.append(occurrence.dev_addr)
            expected = 0
        else:
            assert isinstance(occurrence, Uplink)
            assert (occurrence.dev_addr, occurrence.f_cnt) == (sessions[-1], expected)
            expected += 1
    assert len(set(sessions)) == len(sessions) == 2


def test_a_recording_is_told_chronologically_across_devices() -> None:
    bays = [
        recorded_bay(f"B{n}", family, [Interval(SPAN.start + 60 * n, SPAN.start + 9_000)])
        for n, family in enumerate(SENSORS)
    ]
    instants = [occurrence.at_ns for occurrence in tell(bays, Plan(span=SPAN, seed=1))]
    assert instants == sorted(instants)
    assert instants[-1] > SPAN.end * SECOND_NS


def test_the_same_seed_tells_the_same_story_and_another_one_another() -> None:
    bays = [recorded_bay(f"B{n}", "libelium", []) for n in range(5)]

    def story(seed: int) -> list[Occurrence]:
        return list(deliver(tell(bays, Plan(span=SPAN, seed=seed)), duplicates=0.1, late=0.1, seed=seed))

    assert story(1) == story(1)
    assert story(1) != story(2)


def test_no_disorder_means_the_order_in_which_it_happened() -> None:
    told = list(tell([recorded_bay("B1", "nwave", [Interval(SPAN.start, SPAN.start + 60)])], Plan(span=SPAN, seed=1)))
    tally = Tally()
    assert list(deliver(told, duplicates=0, late=0, seed=1, tally=tally)) == told
    assert (tally.late, tally.duplicates) == (0, 0)


def test_the_shares_of_duplicates_and_late_frames_are_what_was_asked_for() -> None:
    bays = [recorded_bay(f"B{n}", "libelium", []) for n in range(200)]
    tally = Tally()
    delivered = list(deliver(tell(bays, Plan(span=SPAN, seed=1)), duplicates=0.05, late=0.05, seed=1, tally=tally))
    assert tally.duplicates / tally.uplinks == pytest.approx(0.05, rel=0.2)
    assert tally.late / tally.uplinks == pytest.approx(0.05, rel=0.2)
    uplinks = [one for one in delivered if isinstance(one, Uplink)]
    assert max(Counter((one.device.dev_eui, one.dev_addr, one.f_cnt) for one in uplinks).values()) == 2
