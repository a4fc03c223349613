"""What goes wrong, and when: a plan that follows from its seed, and the hand that carries it out.

In: a seed, the seconds there are, and what there is to be harmed. Out: faults in the order of their beginning. Every
kind hits every component before one is hit by it again, as far as the time reaches.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from enum import StrEnum

import msgspec

from chaos.components import pause, resume
from chaos.ledger import now_us
from chaos.proxy import Mode
from chaos.world import World

DEVICES = "devices"
FORGETFUL = "mosquitto"  # killed, it loses what it has not written yet
LATENCY_SECONDS = (0.05, 0.4)
SHORT_SECONDS, LONG_SECONDS = (1.0, 4.0), (6.0, 15.0)
LONG_SHARE = 0.25
DENSE_SECONDS = (0.6, 2.2)
LANES = 2
PAUSE_SECONDS = (0.5, 2.0)
START_SECONDS = 4.0


class Kind(StrEnum):
    """What is done to a component; the last two are done by the devices themselves."""

    KILL = "kill -9"
    PAUSE = "pause"
    RESTART = "restart"
    LATENCY = "latency"
    BLACK_HOLE = "black hole"
    RESET = "reset"
    DISK_FULL = "full disk"
    CLOCK_SHIFT = "clock shift"
    REJOIN = "bulk re-join"


ON_COMPONENTS = (Kind.KILL, Kind.PAUSE, Kind.RESTART, Kind.LATENCY, Kind.BLACK_HOLE, Kind.RESET)
CUTS = {Kind.LATENCY: Mode.LATENCY, Kind.BLACK_HOLE: Mode.BLACK_HOLE, Kind.RESET: Mode.RESET}
MOMENTARY = frozenset({Kind.REJOIN})


class Stage(msgspec.Struct, frozen=True):
    """What can be harmed: components, and those of them whose disk can be filled."""

    components: tuple[str, ...]
    disks: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = tuple(Kind)


class Fault(msgspec.Struct, frozen=True):
    """From `at_seconds` after the beginning, for `seconds`."""

    at_seconds: float
    kind: Kind
    target: str
    seconds: float
    latency_seconds: float = 0.0

    @property
    def ends_seconds(self) -> float:
        """When it is over."""
        return self.at_seconds + self.seconds


def plan(seed: int, seconds: float, stage: Stage, *, dense: bool = False) -> list[Fault]:
    """The faults of one round. `dense`: short ones in two lanes, so that some meet; else one after the other."""
    dice = random.Random(f"nemesis/{seed}")
    pairs = _pairs(stage, dice)
    faults: list[Fault] = []
    free_at = [dice.uniform(*PAUSE_SECONDS) * (lane + 1) for lane in range(LANES if dense else 1)]
    whole_again: dict[str, float] = {}
    for kind, target in pairs:
        lane = free_at.index(min(free_at))
        begins = round(max(free_at[lane], whole_again.get(target, 0.0)), 2)
        fault = Fault(begins, kind, target, _length(kind, dice, dense=dense), _latency(kind, dice))
        if fault.ends_seconds > seconds:
            break
        faults.append(fault)
        # What is started again takes a moment: two faults never harm one component at the same time.
        whole_again[target] = fault.ends_seconds + START_SECONDS
        free_at[lane] = fault.ends_seconds + dice.uniform(*PAUSE_SECONDS) * (0.5 if dense else 1.0)
    return sorted(faults, key=lambda fault: fault.at_seconds)


def _pairs(stage: Stage, dice: random.Random) -> Iterator[tuple[Kind, str]]:
    """Every kind on everything it can be done to, shuffled, again and again."""
    once = [(kind, target) for kind in ON_COMPONENTS for target in stage.components]
    once += [(Kind.DISK_FULL, disk) for disk in stage.disks]
    once += [(Kind.CLOCK_SHIFT, DEVICES), (Kind.REJOIN, DEVICES)]
    allowed = [pair for pair in once if pair[0] in stage.kinds]
    while allowed:
        yield from dice.sample(allowed, len(allowed))


def _length(kind: Kind, dice: random.Random, *, dense: bool) -> float:
    if kind in MOMENTARY:
        return 0.0
    bounds = DENSE_SECONDS if dense else LONG_SECONDS if dice.random() < LONG_SHARE else SHORT_SECONDS
    return round(dice.uniform(*bounds), 2)


def _latency(kind: Kind, dice: random.Random) -> float:
    return round(dice.uniform(*LATENCY_SECONDS), 3) if kind is Kind.LATENCY else 0.0


class Done(msgspec.Struct):
    """A fault as it was carried out, in seconds since the beginning.

    `caught_up` is how long that took afterwards, None where it was not awaited or did not happen; `last` is what came
    last of all, or has not come.
    """

    fault: Fault
    began: float
    ended: float
    caught_up: float | None = None
    overlapped: bool = False
    last: str = ""


class Devices(msgspec.Struct):
    """What the devices do at the nemesis's word; the load gives these."""

    shift_clocks: Callable[[bool], None]
    rejoin: Callable[[], Awaitable[None]]


class Nemesis:
    """Carries a plan out; `recovered` is asked after each fault how long it took until all was caught up with."""

    def __init__(self, world: World, devices: Devices, on_fault: Callable[[Fault, bool], None]) -> None:
        self._world = world
        self._devices = devices
        self._on_fault = on_fault
        self._began = time.monotonic()
        self._busy: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.done: list[Done] = []

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    async def overlap(self, faults: Sequence[Fault]) -> None:
        """Each at its time, whatever else is going on."""
        self._begin()
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                group.create_task(self._at_its_time(fault))

    async def one_by_one(
        self, faults: Sequence[Fault], seconds: float, recovered: Callable[[Done], Awaitable[None]]
    ) -> None:
        """The next one when the last one is caught up with, as many as `seconds` allow."""
        self._begin()
        for fault in faults:
            if self.now + fault.seconds > seconds:
                return
            await recovered(await self._carry_out(fault))

    def _begin(self) -> None:
        self._began = time.monotonic()
        self._world.ledger.began_us = now_us()

    async def _at_its_time(self, fault: Fault) -> None:
        await asyncio.sleep(max(0.0, fault.at_seconds - self.now))
        (await self._carry_out(fault)).overlapped = True

    async def _carry_out(self, fault: Fault) -> Done:
        self._on_fault(fault, True)
        done = Done(fault, self.now, self.now)
        await self._harm(fault)
        done.ended = self.now
        self.done.append(done)
        self._on_fault(fault, False)
        return done

    async def _harm(self, fault: Fault) -> None:
        """Begin, wait, and end it; the plan keeps two apart that concern one component, this makes sure of it."""
        async with self._busy[fault.target]:
            await self._do(fault)

    async def _do(self, fault: Fault) -> None:
        if fault.kind in CUTS:
            await self._cut_off(fault)
        elif fault.kind is Kind.CLOCK_SHIFT:
            self._devices.shift_clocks(True)
            await asyncio.sleep(fault.seconds)
            self._devices.shift_clocks(False)
        elif fault.kind is Kind.REJOIN:
            await self._devices.rejoin()
        elif fault.kind is Kind.DISK_FULL:
            await self._fill_disk(fault)
        else:
            await self._hit(fault)

    async def _hit(self, fault: Fault) -> None:
        component = self._world.components[fault.target]
        if fault.kind is Kind.PAUSE:
            pause(component)
            await asyncio.sleep(fault.seconds)
            resume(component)
            return
        died = now_us()
        if fault.kind is Kind.KILL:
            component.kill()
        else:
            await component.stop()
        await asyncio.sleep(fault.seconds)
        if fault.kind is Kind.KILL and fault.target == FORGETFUL:
            self._world.ledger.broker_kills.append((died, now_us()))
        await component.start()

    async def _cut_off(self, fault: Fault) -> None:
        links = self._world.links_of(fault.target)
        for link in links:
            link.set_mode(CUTS[fault.kind], latency_seconds=fault.latency_seconds)
        await asyncio.sleep(fault.seconds)
        for link in links:
            link.set_mode(Mode.PASS)

    async def _fill_disk(self, fault: Fault) -> None:
        """What ended of it, or gave up writing, is started again, as whoever made room would do."""
        disk, component = self._world.disks[fault.target], self._world.components[fault.target]
        await asyncio.to_thread(disk.fill)
        await asyncio.sleep(fault.seconds)
        disk.free()
        await component.stop()
        await component.start()
