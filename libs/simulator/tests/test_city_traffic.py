"""The fictional city: always the same for a seed, as busy as asked for, valid in the platform's eyes."""

from itertools import islice

import msgspec
import pytest

from parking_contracts.device import parse_eui
from parking_contracts.space_commands import CreateSite, CreateSpace
from parking_simulator.city import City, build_city
from parking_simulator.fleet_plan import parse_mix
from parking_simulator.occurrences import SECOND_NS, Join, Retransmission, Status, Uplink
from parking_simulator.sensors import DEFAULT_MIX
from parking_simulator.traffic import Traffic, TrafficPlan, fullness

NOON_NS = 1_784_714_400 * SECOND_NS  # 2026-07-22T12:00 in the city


def city(bays: int = 100, seed: int = 1) -> City:
    return build_city("demo", bays, parse_mix(DEFAULT_MIX), source="mqtt", seed=seed)


def plan(**given: float) -> TrafficPlan:
    values = {"rate_per_second": 50.0, "seed": 1, "start_ns": NOON_NS, "starting_seconds": 2.0, **given}
    return msgspec.convert(values, TrafficPlan)


@pytest.mark.parametrize("bays", [1, 2, 7, 100, 5_000])
def test_a_city_has_as_many_bays_as_asked_for_each_known_by_one_code_and_one_sensor(bays: int) -> None:
    spaces = city(bays).fleet.spaces
    assert len(spaces) == bays
    assert len({(space.site_id, space.code) for space in spaces}) == bays
    assert len({space.sensor_eui for space in spaces}) == bays
    assert len({space.id for space in spaces}) == bays


def test_what_the_platform_is_told_keeps_within_its_limits() -> None:
    built = city(3_000)
    for space in built.fleet.spaces:
        msgspec.json.decode(msgspec.json.encode(space), type=CreateSpace)
        assert space.sensor_eui is not None
        assert parse_eui(space.sensor_eui) == space.sensor_eui
    for site in built.fleet.sites:
        msgspec.json.decode(msgspec.json.encode(site), type=CreateSite)
    assert {space.site_id for space in built.fleet.spaces} == {site.id for site in built.fleet.sites}


def test_the_same_seed_builds_the_same_city_with_the_same_traffic() -> None:
    assert city() == city()
    first = list(islice(Traffic(city(), plan()).occurrences(), 2_000))
    assert first == list(islice(Traffic(city(), plan()).occurrences(), 2_000))
    assert first != list(islice(Traffic(city(), plan(seed=2)).occurrences(), 2_000))


def test_the_traffic_is_as_busy_as_asked_for() -> None:
    built = city(500)
    happened = list(Traffic(built, plan(rate_per_second=100, duration_seconds=120, changing=0.3)).occurrences())
    frames = [one for one in happened if isinstance(one, Uplink)]
    assert (len(frames) - len(built.bays)) / 120 == pytest.approx(100, rel=0.1)
    assert [one.at_ns for one in happened] == sorted(one.at_ns for one in happened)
    assert happened[-1].at_ns < NOON_NS + 120 * SECOND_NS


def test_every_device_joins_and_starts_up_before_it_says_anything_else() -> None:
    seen: set[str] = set()
    for one in Traffic(city(), plan(duration_seconds=30)).occurrences():
        if one.device.dev_eui not in seen:
            assert isinstance(one, Join)
            seen.add(one.device.dev_eui)
    assert len(seen) == 100


def test_rejoins_retransmissions_and_status_events_happen_on_request() -> None:
    busy = plan(duration_seconds=200, rejoining=0.1, retransmitting=0.1)
    happened = list(Traffic(city(), busy).occurrences())
    assert sum(isinstance(one, Join) for one in happened) > 150
    again = [one for one in happened if isinstance(one, Uplink) and one.attempt]
    assert len(again) == sum(isinstance(one, Retransmission) for one in happened) > 100
    sent = {(one.device.dev_eui, one.dev_addr, one.f_cnt) for one in happened if isinstance(one, Uplink)}
    assert {(one.device.dev_eui, one.dev_addr, one.f_cnt) for one in again} <= sent
    assert any(isinstance(one, Status) for one in happened)


def test_a_second_run_speaks_under_other_device_addresses() -> None:
    def addresses(start_ns: int) -> set[str]:
        happened = islice(Traffic(city(), plan(start_ns=start_ns)).occurrences(), 500)
        return {one.dev_addr for one in happened if isinstance(one, Uplink)}

    assert not addresses(NOON_NS) & addresses(NOON_NS + 60 * SECOND_NS)


def test_commuters_fill_the_station_by_day_and_leave_it_at_night() -> None:
    night_ns = NOON_NS + 13 * 3_600 * SECOND_NS
    assert fullness("station", NOON_NS) > 0.8
    assert fullness("station", night_ns) < 0.2
    assert fullness("harbour", NOON_NS + 7 * 3_600 * SECOND_NS) > fullness("harbour", NOON_NS)
