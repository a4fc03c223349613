"""A city's traffic: cars come and go by the time of day, sensors report, rejoin and repeat themselves.

In: a `City`, a starting instant, a rate, a seed. Out: occurrences in order of time, for ever or for a duration; pure
and lazy. The rate fixes how fast everything turns: a share of the uplinks are arrivals and departures, the rest
heartbeats; how full a bay is follows the rhythm of its car park and the local hour.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from parking_simulator.city import TIME_ZONE, City, CityBay, Rhythm
from parking_simulator.occurrences import SECOND_NS, Occurrence, Retransmission, Status, Uplink
from parking_simulator.voice import Voice

# How full each kind of car park is, at 0, 3, 6, .. 21 o'clock.
FULLNESS: Final[dict[Rhythm, tuple[float, ...]]] = {
    "street": (0.35, 0.25, 0.30, 0.70, 0.85, 0.80, 0.65, 0.50),
    "station": (0.10, 0.08, 0.35, 0.90, 0.95, 0.90, 0.50, 0.20),
    "harbour": (0.20, 0.10, 0.10, 0.30, 0.55, 0.60, 0.90, 0.70),
}
RETRANSMISSION_NS: Final = 2_500_000_000
SHARE_STATUS: Final = 0.005

Kind = Literal["start", "turn", "beat", "again"]


class TrafficPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How busy the city is: uplinks per second, and shares of them; `starting_seconds` for all devices to come up.

    A duration of None is for ever.
    """

    rate_per_second: float
    seed: int
    start_ns: int
    starting_seconds: float
    duration_seconds: float | None = None
    changing: float = 0.1
    rejoining: float = 0.0
    retransmitting: float = 0.0


class Traffic:
    """The moving parts: one voice per bay and the queue of what comes next."""

    def __init__(self, city: City, plan: TrafficPlan) -> None:
        self._plan = plan
        self._bays = city.bays
        self._dice = random.Random(f"traffic/{plan.seed}")  # noqa: S311  a simulation, not a secret
        session = plan.start_ns // SECOND_NS  # a second run must not speak under the first one's devAddr
        self._voices = [Voice(bay.device, bay.model, first_session=session) for bay in city.bays]
        count = len(city.bays)
        self._cycle_ns = 2 * count / (plan.rate_per_second * plan.changing) * SECOND_NS
        self._beat_ns = count / (plan.rate_per_second * (1 - plan.changing)) * SECOND_NS
        self._serial = itertools.count()
        self._due: list[tuple[int, int, Kind, int, Uplink | None]] = []

    def occurrences(self) -> Iterator[Occurrence]:
        """Everything that happens, in order of time."""
        plan = self._plan
        end_ns = float("inf")
        if plan.duration_seconds is not None:
            end_ns = plan.start_ns + plan.duration_seconds * SECOND_NS
        for number in range(len(self._bays)):
            self._schedule(plan.start_ns + self._spread(plan.starting_seconds * SECOND_NS), "start", number)
        while self._due and self._due[0][0] < end_ns:
            at_ns, _, kind, number, frame = heapq.heappop(self._due)
            if frame is not None:
                yield Retransmission(frame.device, at_ns, frame.f_cnt)
                yield msgspec.structs.replace(frame, at_ns=at_ns, attempt=1)
            else:
                yield from self._happen(at_ns, kind, number)

    def _happen(self, at_ns: int, kind: Kind, number: int) -> Iterator[Occurrence]:
        bay, voice, dice = self._bays[number], self._voices[number], self._dice
        if kind == "start":
            if dice.random() < fullness(bay.rhythm, at_ns):
                voice.turn(at_ns)
            self._schedule(at_ns + self._spread(self._cycle_ns / 2), "turn", number)
            self._schedule(at_ns + self._spread(self._beat_ns), "beat", number)
            yield from self._come_up(bay, voice, at_ns)
            return
        if kind == "turn":
            voice.turn(at_ns)
            self._schedule(at_ns + self._dwell(bay, at_ns, occupied=voice.occupied), "turn", number)
            frame = voice.say(bay.model.change, at_ns)
        else:
            self._schedule(at_ns + int(self._beat_ns), "beat", number)
            if dice.random() < self._plan.rejoining:
                yield from self._come_up(bay, voice, at_ns)
                return
            frame = voice.say(bay.model.heartbeat, at_ns)
        yield frame
        if dice.random() < self._plan.retransmitting:
            self._schedule(at_ns + RETRANSMISSION_NS, "again", number, frame)
        if dice.random() < SHARE_STATUS:
            yield Status(bay.device, at_ns, margin=dice.randint(3, 25), battery_percent=dice.randint(40, 100))

    def _come_up(self, bay: CityBay, voice: Voice, at_ns: int) -> Iterator[Occurrence]:
        yield voice.join(at_ns)
        yield voice.say(bay.model.start_up, at_ns)
        if not bay.model.states_at_start and voice.occupied:
            yield voice.say(bay.model.change, at_ns)

    def _dwell(self, bay: CityBay, at_ns: int, *, occupied: bool) -> int:
        full = fullness(bay.rhythm, at_ns)
        mean_ns = self._cycle_ns * (full if occupied else 1 - full)
        return int(self._dice.gammavariate(2, mean_ns / 2))

    def _spread(self, over_ns: float) -> int:
        return int(self._dice.random() * over_ns)

    def _schedule(self, at_ns: int, kind: Kind, number: int, frame: Uplink | None = None) -> None:
        heapq.heappush(self._due, (at_ns, next(self._serial), kind, number, frame))


_zone = ZoneInfo(TIME_ZONE)


def fullness(rhythm: Rhythm, at_ns: int) -> float:
    """The share of bays taken at this instant, between 0 and 1."""
    local = datetime.fromtimestamp(at_ns // SECOND_NS, UTC).astimezone(_zone)
    steps = FULLNESS[rhythm]
    position = (local.hour + local.minute / 60) / 24 * len(steps)
    index = int(position)
    before, after = steps[index], steps[(index + 1) % len(steps)]
    return before + (after - before) * (position - index)
