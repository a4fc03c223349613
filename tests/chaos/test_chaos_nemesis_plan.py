"""The plan of faults follows from its seed, reaches everything, and keeps faults on one component apart."""

import itertools

import pytest

from chaos.nemesis import DEVICES, ON_COMPONENTS, Kind, Stage, plan

COMPONENTS = ("postgres", "nats", "mosquitto", "chirpstack", "uplink_ingestor-0", "occupancy_engine-0")
STAGE = Stage(COMPONENTS, ("postgres", "nats"))


@pytest.mark.parametrize("dense", [False, True])
def test_the_same_seed_gives_the_same_plan_and_another_seed_another(dense: bool) -> None:
    first = plan(7, 300, STAGE, dense=dense)
    assert first == plan(7, 300, STAGE, dense=dense)
    assert first != plan(8, 300, STAGE, dense=dense)


def test_every_kind_hits_every_component_before_one_is_hit_by_it_again() -> None:
    everything = {(kind, target) for kind in ON_COMPONENTS for target in COMPONENTS}
    everything |= {(Kind.DISK_FULL, "postgres"), (Kind.DISK_FULL, "nats")}
    everything |= {(Kind.CLOCK_SHIFT, DEVICES), (Kind.REJOIN, DEVICES)}
    faults = plan(1, 3_000, STAGE)[: len(everything)]
    assert {(fault.kind, fault.target) for fault in faults} == everything


def test_a_short_dense_round_reaches_everything_a_platform_has() -> None:
    services = tuple(f"service-{number}-0" for number in range(5))
    stage = Stage(("postgres", "nats", "mosquitto", "chirpstack", *services), ("postgres", "nats"))
    faults = plan(1, 100, stage, dense=True)
    assert len({(fault.kind, fault.target) for fault in faults}) == 9 * len(ON_COMPONENTS) + 4


@pytest.mark.parametrize("seed", range(20))
def test_faults_end_in_time_and_never_meet_on_one_component(seed: int) -> None:
    faults = plan(seed, 60, STAGE, dense=True)
    assert all(0 < fault.at_seconds <= fault.ends_seconds <= 60 for fault in faults)
    by_target = sorted(faults, key=lambda fault: (fault.target, fault.at_seconds))
    for before, after in itertools.pairwise(by_target):
        assert before.target != after.target or after.at_seconds > before.ends_seconds


def test_dense_faults_overlap_and_the_others_do_not() -> None:
    def overlaps(*, dense: bool) -> int:
        faults = plan(3, 120, STAGE, dense=dense)
        return sum(after.at_seconds < before.ends_seconds for before, after in itertools.pairwise(faults))

    assert overlaps(dense=True) > 5
    assert overlaps(dense=False) == 0


def test_a_disk_that_could_not_be_made_small_is_never_filled() -> None:
    assert not any(fault.kind is Kind.DISK_FULL for fault in plan(1, 600, Stage(COMPONENTS)))
