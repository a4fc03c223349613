"""What goes wrong in a cluster: a NATS node at a time, whatever it leads, and PostgreSQL and the services meanwhile.

In: a seed and the seconds there are. Out: faults in the order of their beginning, and a nemesis that finds out which
node leads what at that moment. While one node is away or catching up no other one is harmed: two of three are a
cluster, one is none.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator

import msgspec

from chaos.nemesis import LATENCY_SECONDS, PAUSE_SECONDS, Fault, Kind, Nemesis
from chaos.world import SERVICES
from stack.nats_cluster import NatsCluster, Node

NODES = 3
NATS, POSTGRES = "nats", "postgres"
LEADER = "leader of "
# What each service cannot go on without: where uplinks, devices' events, spaces' and reservations' lie, and who
# remembers how far the engines are.
LED = ("UPLINKS", "UPLINKS.occupancy_engine", "DEVICES", "SPACES", "RESERVATIONS")
AWAY_SECONDS = (1.0, 8.0)
SERVICE_SECONDS = (0.5, 3.0)
# A node that comes back elects, copies what it missed and then says that it is well.
NODE_PAUSE_SECONDS = 8.0


def plan_cluster(seed: int, seconds: float, replicas: int, *, dense: bool = False) -> list[Fault]:
    """The faults of one round; `dense`: others than NATS's go on beside."""
    dice = random.Random(f"cluster/{seed}")
    on_nodes, on_postgres = _on_nodes(dice), _on_postgres(dice)
    if not dense:
        return _in_a_row(_now_and_then(on_nodes, on_postgres), dice, AWAY_SECONDS, 0.0, seconds)
    beside = _in_a_row(_on_others(dice, replicas), dice, SERVICE_SECONDS, 1.0, seconds)
    on_their_own = _in_a_row(on_nodes, dice, AWAY_SECONDS, NODE_PAUSE_SECONDS, seconds)
    return sorted([*on_their_own, *beside], key=lambda fault: fault.at_seconds)


def _now_and_then(often: Iterator[tuple[Kind, str]], seldom: Iterator[tuple[Kind, str]]) -> Iterator[tuple[Kind, str]]:
    while True:
        yield from itertools.islice(often, NODES)
        yield next(seldom)


def _in_a_row(
    pairs: Iterator[tuple[Kind, str]],
    dice: random.Random,
    length: tuple[float, float],
    pause_seconds: float,
    seconds: float,
) -> list[Fault]:
    """One after the other, as far as the time reaches."""
    faults, at = [], dice.uniform(*PAUSE_SECONDS)
    for kind, target in pairs:
        latency = round(dice.uniform(*LATENCY_SECONDS), 3) if kind is Kind.LATENCY else 0.0
        fault = Fault(round(at, 2), kind, target, round(dice.uniform(*length), 2), latency)
        if fault.ends_seconds > seconds:
            break
        faults.append(fault)
        at = fault.ends_seconds + pause_seconds + dice.uniform(*PAUSE_SECONDS)
    return faults


def _on_nodes(dice: random.Random) -> Iterator[tuple[Kind, str]]:
    """Each node killed, in any order; then whoever leads; then everything else that can befall a node."""
    nodes = [f"nats-{number}" for number in range(1, NODES + 1)]
    while True:
        yield from ((Kind.KILL, node) for node in dice.sample(nodes, NODES))
        once = [(Kind.KILL, LEADER + led) for led in LED]
        once += [(kind, LEADER + LED[0]) for kind in (Kind.PAUSE, Kind.RESTART, Kind.BLACK_HOLE, Kind.RESET)]
        once += [(kind, node) for kind in (Kind.PAUSE, Kind.RESTART, Kind.BLACK_HOLE, Kind.LATENCY) for node in nodes]
        yield from dice.sample(once, len(once))


def _on_postgres(dice: random.Random) -> Iterator[tuple[Kind, str]]:
    while True:
        yield from ((kind, POSTGRES) for kind in dice.sample((Kind.RESTART, Kind.KILL), 2))


def _on_others(dice: random.Random, replicas: int) -> Iterator[tuple[Kind, str]]:
    """PostgreSQL, every replica of every service, and all devices joining anew."""
    services = [f"{name}-{number}" for name in SERVICES for number in range(replicas)]
    once = [(kind, POSTGRES) for kind in (Kind.RESTART, Kind.KILL, Kind.PAUSE)]
    once += [(kind, service) for kind in (Kind.KILL, Kind.PAUSE) for service in services] + [(Kind.REJOIN, "devices")]
    while True:
        yield from dice.sample(once, len(once))


class ClusterNemesis(Nemesis):
    """Also harms "the leader of ...", and no second node before the first one is well again."""

    async def _harm(self, fault: Fault) -> None:
        if not fault.target.startswith((LEADER, NATS)):
            await super()._harm(fault)
            return
        cluster = self._world.cluster
        assert cluster is not None
        async with self._busy[NATS]:
            node = await self._node(fault.target, cluster)
            await super()._harm(msgspec.structs.replace(fault, target=node.name))
            await asyncio.to_thread(node.wait_ready)

    @staticmethod
    async def _node(target: str, cluster: NatsCluster) -> Node:
        if target.startswith(LEADER):
            return await cluster.leader_of(target.removeprefix(LEADER))
        return next(node for node in cluster.nodes if node.name == target)
