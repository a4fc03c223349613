"""Recorded stays told by sensors: the frames that each device would have sent, in the order in which they happened.

In: the union of a bay's stays and its sensor. Out: joins and uplinks with their recorded instants. Each device joins
and starts up on a free bay before the recording begins, reports arrivals, heartbeats and departures, and sends one
heartbeat after the end; some join again on the way, and some frames carry no application data.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from parking_simulator.fleet_plan import dev_addr
from parking_simulator.occurrences import SECOND_NS, Device, Join, Occurrence, Uplink
from parking_simulator.sensors import Payload, Say, Sensation, SensorModel
from parking_simulator.stays import Interval

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
    yield voice.join(boot)
    yield voice.say(bay.model.start_up, boot + 5)
    yield voice.say(_mac_only, boot + 7)
    for at, occasion in _occasions(bay, plan, boot, dice):
        if occasion is _rejoin:
            yield voice.join(at)
            yield voice.say(bay.model.start_up, at)
        elif occasion is bay.model.change:
            voice.turn(at)
            yield voice.say(bay.model.change, at)
        else:
            yield voice.say(occasion, at)


def _occasions(bay: RecordedBay, plan: Plan, boot: int, dice: random.Random) -> Iterator[tuple[int, Say]]:
    """When the device speaks after its start, and about what; at the same instant the change goes first."""
    every = plan.heartbeat_seconds or bay.model.heartbeat_seconds
    beats = range(boot + every, plan.span.end + every, every)
    streams = [
        ((at, 0, bay.model.change) for stay in bay.stays for at in stay),
        ((at, 1, bay.model.heartbeat) for at in beats),
        ((at, 2, _mac_only) for at in beats if dice.random() < SHARE_MAC_ONLY),
    ]
    if dice.random() < plan.rejoining:
        streams.append((at, 3, _rejoin) for at in (dice.randrange(plan.span.start, plan.span.end),))
    for at, _, occasion in heapq.merge(*streams, key=lambda entry: entry[:2]):
        yield at, occasion


def _mac_only(_felt: Sensation) -> Payload:
    """An answer to the network's MAC commands: no application data, and nothing about the bay."""
    return Payload(0, b"")


def _rejoin(_felt: Sensation) -> Payload:
    raise AssertionError("a marker in the timeline; a join carries no payload")


class Voice:
    """One device's counters and senses: turns "say this now" into a frame."""

    def __init__(self, device: Device, model: SensorModel) -> None:
        self.device = device
        self.model = model
        self.occupied = False
        self._session = 0
        self._dev_addr = ""
        self._f_cnt = 0
        self._turned_at: int | None = None
        self._previous_minutes = 0

    def join(self, at: int) -> Join:
        """A new session at this second."""
        self._dev_addr = dev_addr(self.device.dev_eui, self._session)
        self._session += 1
        self._f_cnt = 0
        return Join(self.device, at * SECOND_NS, self._dev_addr)

    def turn(self, at: int) -> None:
        """The bay's state changes at this second."""
        self.occupied = not self.occupied
        self._previous_minutes = (at - self._turned_at) // 60 if self._turned_at is not None else 0
        self._turned_at = at

    def say(self, what: Say, at: int, *, fraction_ns: int = 0) -> Uplink:
        """The next frame of this session, at this second (and `fraction_ns`)."""
        payload = what(self._sensation(at))
        frame = Uplink(
            self.device, at * SECOND_NS + fraction_ns, self._dev_addr, self._f_cnt, payload.f_port, payload.data
        )
        self._f_cnt += 1
        return frame

    def _sensation(self, at: int) -> Sensation:
        day = math.sin(2 * math.pi * (at % 86_400) / 86_400)
        drained = self._f_cnt % 5_000 / 5_000
        return Sensation(
            occupied=self.occupied,
            at_seconds=at,
            sequence=self._f_cnt,
            celsius=round(18 + 7 * day),
            volts=3.6 - 0.3 * drained,
            percent=100 - round(60 * drained),
            previous_minutes=self._previous_minutes,
        )
