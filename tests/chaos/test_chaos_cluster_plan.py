"""The plan of a cluster's faults: the same for a seed, every node killed, and PostgreSQL among them."""

from itertools import pairwise

import pytest

from chaos.cluster import LEADER, LED, POSTGRES, plan_cluster
from chaos.nemesis import Kind

NODES = {"nats-1", "nats-2", "nats-3"}
SECONDS = 600


@pytest.mark.parametrize("dense", [False, True])
def test_a_seed_gives_one_plan_that_kills_every_node_and_whoever_leads(dense: bool) -> None:
    faults = plan_cluster(7, SECONDS, 2, dense=dense)
    assert faults == plan_cluster(7, SECONDS, 2, dense=dense) != plan_cluster(8, SECONDS, 2, dense=dense)
    killed = [fault.target for fault in faults if fault.kind is Kind.KILL]
    assert set(killed) >= NODES
    assert {LEADER + led for led in LED} <= set(killed)
    assert {Kind.KILL, Kind.RESTART} <= {fault.kind for fault in faults if fault.target == POSTGRES}
    assert all(fault.ends_seconds <= SECONDS for fault in faults)


def test_no_two_nodes_are_harmed_at_a_time() -> None:
    on_nodes = [f for f in plan_cluster(7, SECONDS, 2, dense=True) if f.target.startswith(("nats", LEADER))]
    assert all(after.at_seconds > before.ends_seconds for before, after in pairwise(on_nodes))
