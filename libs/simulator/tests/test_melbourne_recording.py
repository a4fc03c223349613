"""A week of real stays in Melbourne: what the recording is like, and that its sensors tell it back.

The files are not part of the project. They are looked for in PARKSTREAM_RECORDED_DATA, else in ../shared/data beside
the checkout; without them these tests are skipped.
"""

import os
from collections import defaultdict
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from parking_codecs import load_registry
from parking_simulator.delivery import Tally, deliver
from parking_simulator.fleet_plan import parse_mix
from parking_simulator.occurrences import SECOND_NS, Uplink
from parking_simulator.recording import Plan, tell
from parking_simulator.replayed_street import Street, build_street
from parking_simulator.sensors import DEFAULT_MIX
from parking_simulator.stays import Interval, Oddities, complete_bays, oddities, read_bays, read_stays

FOLDER = Path(os.environ.get("PARKSTREAM_RECORDED_DATA", Path(__file__).resolve().parents[4] / "shared" / "data"))
STAYS_CSV = FOLDER / "melbourne_stays_2016-11-14_week.csv"
BAYS_CSV = FOLDER / "melbourne_bays.csv"

pytestmark = pytest.mark.skipif(
    not STAYS_CSV.exists(), reason=f"no recorded stays in {FOLDER}; name their folder in PARKSTREAM_RECORDED_DATA"
)


@pytest.fixture(scope="module")
def street() -> Street:
    stays = read_stays(STAYS_CSV, ZoneInfo("Australia/Melbourne"))
    bays, added = complete_bays(read_bays(BAYS_CSV), stays)
    assert added == []
    mix = parse_mix(DEFAULT_MIX)
    return build_street(
        "week", bays, stays, mix=mix, name="Week", time_zone="Australia/Melbourne", source="chirpstack", seed=7
    )


def test_the_recording_is_clean_but_for_stays_that_touch() -> None:
    stays = read_stays(STAYS_CSV, ZoneInfo("Australia/Melbourne"))
    assert len(stays) == 13_293
    assert oddities(stays) == Oddities(repeated=0, overlapping=0, touching=298)


def test_the_union_has_one_stay_less_for_each_that_touches_another(street: Street) -> None:
    assert sum(map(len, street.stays.values())) == 13_293 - 298
    assert len(street.bays) == len(street.fleet.spaces) == 2_146


def test_the_sensors_tell_the_week_back_in_any_order_of_delivery(street: Street) -> None:
    registry, tally = load_registry(), Tally()
    frames: dict[str, dict[tuple[int, str, int], Uplink]] = defaultdict(dict)
    began: dict[tuple[str, str], int] = {}
    told = tell(street.bays, Plan(span=street.span, seed=7))
    for frame in deliver(told, duplicates=0.05, late=0.05, seed=7, tally=tally):
        if isinstance(frame, Uplink):
            session = (frame.device.dev_eui, frame.dev_addr)
            began[session] = min(frame.at_ns, began.get(session, frame.at_ns))
            frames[frame.device.dev_eui][0, frame.dev_addr, frame.f_cnt] = frame
    for bay in street.bays:
        codec = registry.sensors[bay.model.codec]
        eui = bay.device.dev_eui
        changes: list[int] = []
        for frame in sorted(frames[eui].values(), key=lambda one: (began[one.device.dev_eui, one.dev_addr], one.f_cnt)):
            occupied = codec.decode(frame.f_port, frame.data).occupied if frame.data else None
            if occupied is not None and occupied != bool(len(changes) % 2):
                changes.append(frame.at_ns // SECOND_NS)
        stays = [Interval(*pair) for pair in zip(changes[::2], changes[1::2], strict=True)]
        assert stays == list(bay.stays)
    assert tally.late > 1_000
    assert tally.duplicates > 1_000
