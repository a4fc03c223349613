"""Recorded stays told by sensors: the frames that each device would have sent, in the order in which they happened.

In: the union of a bay's stays and its sensor. Out: joins and uplinks with their recorded instants. Each device joins
and starts up on a free bay before the recording begins, reports arrivals, heartbeats and departures, and sends one
heartbeat after the end; some join again on the way, and some frames carry no application data.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal

import msgspec

from parking_simulator.occurrences import SECOND_NS, Device, Occurrence
from parking_simulator.sensors import Payload, Sensation, SensorModel
from parking_simulator.stays import Interval
from parking_simulator.voice import Voice

SETTLING_SECONDS: Final = 3_600  # devices come up during the hour before the first arrival
SHARE_MAC_ONLY: Final = 0.02


class RecordedBay(msgspec.Struct, frozen=True):
    """A bay's device and the disjoint stays it has to report, in order."""

    device: Device
    model: SensorModel
    stays: Sequence[Interval]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How a recording is told: its span in seconds since 1970, heartbeats, the share of devices that join again."""

    span: Interval
    seed: int
    heartbeat_seconds: int | None = None
    rejoining: float = 0.02


def tell(bays: Iterable[RecordedBay], plan: Plan) -> Iterator[Occurrence]:
    """Everything that happens on all bays, chronologically; made as it is read."""
    return heapq.merge(*(timeline(bay, plan) for bay in bays), key=_instant)


def _instant(occurrence: Occurrence) -> int:
    return occurrence.at_ns


def timeline(bay: RecordedBay, plan: Plan) -> Iterator[Occurrence]:
    """What happens to one device, in its own order: fCnt grows without gaps and restarts with each join."""
    dice = random.Random(f"{plan.seed}/{bay.device.dev_eui}")  # noqa: S311  a simulation, not a secret
    voice = Voice(bay.device, bay.model)
    boot = plan.span.start - dice.randrange(60, SETTLING_SECONDS)
    yield voice.join(boot * SECOND_NS)
    yield voice.say(bay.model.start_up, (boot + 5) * SECOND_NS)
    yield voice.say(_mac_only, (boot + 7) * SECOND_NS)
    for at, occasion in _occasions(bay, plan, boot, dice):
        at_ns = at * SECOND_NS
        match occasion:
            case "change":
                voice.turn(at_ns)
                yield voice.say(bay.model.change, at_ns)
            case "beat":
                yield voice.say(bay.model.heartbeat, at_ns)
            case "mac_only":
                yield voice.say(_mac_only, at_ns)
            case "rejoin":
                yield voice.join(at_ns)
                yield voice.say(bay.model.start_up, at_ns)


Occasion = Literal["change", "beat", "mac_only", "rejoin"]
_PRECEDENCE: Final[dict[Occasion, int]] = {"change": 0, "beat": 1, "mac_only": 2, "rejoin": 3}


def _occasions(bay: RecordedBay, plan: Plan, boot: int, dice: random.Random) -> Iterator[tuple[int, Occasion]]:
    """When the device speaks after its start, and why; at the same second a change goes first."""
    every = plan.heartbeat_seconds or bay.model.heartbeat_seconds
    beats = range(boot + every, plan.span.end + every, every)
    occasions: list[tuple[int, Occasion]] = [(at, "change") for stay in bay.stays for at in stay]
    occasions += [(at, "beat") for at in beats]
    occasions += [(at, "mac_only") for at in beats if dice.random() < SHARE_MAC_ONLY]
    if dice.random() < plan.rejoining:
        occasions.append((dice.randrange(plan.span.start, plan.span.end), "rejoin"))
    return iter(sorted(occasions, key=_order))


def _order(entry: tuple[int, Occasion]) -> tuple[int, int]:
    return entry[0], _PRECEDENCE[entry[1]]


def _mac_only(_felt: Sensation) -> Payload:
    """An answer to the network's MAC commands: no application data, and nothing about the bay."""
    return Payload(0, b"")
