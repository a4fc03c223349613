"""One round: a world, its load, its faults, the rest afterwards, and the check.

In: a seed and a shape. Out: a `Round` for the report.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from chaos.bookings import Bookings
from chaos.checker import Finding, Verdict, check, finding
from chaos.cluster import ClusterNemesis, plan_cluster
from chaos.components import ServiceComponent
from chaos.evidence import Evidence
from chaos.follower import Follower
from chaos.gathering import gather
from chaos.load import Load
from chaos.nemesis import Devices, Done, Fault, Kind, Nemesis, Stage, plan
from chaos.recovery import Watch, come_to_rest
from chaos.report import Round
from chaos.world import Broker, Shape, World

UPLINKS_PER_SECOND = 25.0
SLOTS_PER_SECOND = 1.5
OPENED_SECONDS = 30.0
RECOVERY_PATIENCE_SECONDS = 90.0
REST_PATIENCE_SECONDS = 120.0
LAST_WORDS_SECONDS = 60.0
# Two of everything with the shipped pools want more connections than PostgreSQL's usual 100 (docs/cluster.md).
SMALLER_POOLS = {"PARKSTREAM_DATABASE_POOL_SIZE": "5"}

Said = Callable[[str], None]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One round: how long faults go on (the rest afterwards not counted), and whether they overlap."""

    seed: int
    seconds: float
    broker: Broker = "mosquitto"
    replicas: int = 1
    dense: bool = False
    rate: float = UPLINKS_PER_SECOND
    nats_nodes: int = 1


async def run_round(wanted: Wanted, say: Said) -> Round:
    """Everything."""
    began = time.monotonic()
    shape = Shape(
        seed=wanted.seed,
        broker=wanted.broker,
        replicas=wanted.replicas,
        nats_nodes=wanted.nats_nodes,
        environment=SMALLER_POOLS if wanted.replicas > 1 else {},
    )
    async with World.running(shape) as world:
        stage = Stage(tuple(world.components), tuple(world.disks))
        faults = (
            plan_cluster(wanted.seed, wanted.seconds, wanted.replicas, dense=wanted.dense)
            if world.cluster
            else plan(wanted.seed, wanted.seconds, stage, dense=wanted.dense)
        )
        say(f"{len(world.components)} components; {len(faults)} faults planned")
        done, evidence, restless = await _live_through(world, wanted, faults, say)
        verdict = check(evidence)
        return Round(
            seed=wanted.seed,
            broker=wanted.broker,
            replicas=wanted.replicas,
            dense=wanted.dense,
            seconds=time.monotonic() - began,
            faults=done,
            counts=_counts(evidence, verdict),
            findings=[*verdict.findings, *_unrested(done, restless), *([] if wanted.dense else _disorderly(world))],
            skipped=[] if world.disks else [f"{Kind.DISK_FULL}: no file system can be mounted here (needs root)"],
        )


async def _live_through(
    world: World, wanted: Wanted, faults: list[Fault], say: Said
) -> tuple[list[Done], Evidence, str]:
    load, bookings = Load(world, wanted.rate), Bookings(world, SLOTS_PER_SECOND)
    followers = [Follower(world, town) for town in world.towns]
    watch = Watch(world, followers, bookings)
    nemesis = (ClusterNemesis if world.cluster else Nemesis)(
        world, Devices(load.shift_clocks, load.rejoin), _teller(say)
    )
    async with _running(*(follower.run for follower in followers)):
        async with asyncio.timeout(OPENED_SECONDS):
            await asyncio.gather(*(follower.opened.wait() for follower in followers))
        speaking = [asyncio.create_task(load.run()), asyncio.create_task(bookings.run())]
        if wanted.dense:
            harming = nemesis.overlap(faults)
        else:
            harming = nemesis.one_by_one(faults, wanted.seconds, _recovery(watch, say))
        await _while_they_speak(harming, speaking)
        load.stop()
        bookings.stop()
        say("all faults are over; waiting for rest")
        restless = await _silence(speaking)
        restless = restless or await come_to_rest(watch, REST_PATIENCE_SECONDS)
        say(f"not at rest: {restless}" if restless else "at rest; checking")
        async with asyncio.timeout(LAST_WORDS_SECONDS):
            evidence = await gather(world, await watch.sql(), await watch.bus())
        await watch.close()
    return nemesis.done, evidence, restless


async def _while_they_speak(harming: Coroutine[Any, Any, None], speaking: Sequence[asyncio.Task[None]]) -> None:
    """A load that ends before the faults do has failed, and so has the round."""
    nemesis = asyncio.create_task(harming)
    try:
        await asyncio.wait({nemesis, *speaking}, return_when=asyncio.FIRST_COMPLETED)
        for task in speaking:
            if task.done():
                task.result()
        await nemesis
    finally:
        nemesis.cancel()


async def _silence(speaking: Sequence[asyncio.Task[None]]) -> str:
    """Wait until the broker has acknowledged everything and every booking is answered; what was not, or nothing."""
    _, unfinished = await asyncio.wait(speaking, timeout=REST_PATIENCE_SECONDS)
    for task in unfinished:
        task.cancel()
    for task in speaking:
        if task not in unfinished:
            task.result()
    return "PUBACKs, or answers to bookings" if unfinished else ""


def _recovery(watch: Watch, say: Said) -> Callable[[Done], Awaitable[None]]:
    async def recovered(done: Done) -> None:
        done.caught_up, done.last = await watch.caught_up(RECOVERY_PATIENCE_SECONDS)
        took = "NOT CAUGHT UP" if done.caught_up is None else f"caught up in {done.caught_up:.1f} s"
        say(f"  {took}" + (f"; last: {done.last[:300]}" if done.last else ""))

    return recovered


def _teller(say: Said) -> Callable[[Fault, bool], None]:
    def tell(fault: Fault, begins: bool) -> None:
        if begins:
            say(f"{fault.kind} {fault.target} for {fault.seconds:.1f} s")

    return tell


def _unrested(done: list[Done], restless: str) -> list[Finding]:
    """A world that does not come to rest is wedged, whatever the rows say."""
    found = [Finding("unresolved", "the platform did not come to rest", 1, (restless,))] if restless else []
    late = [f"{one.fault.kind} {one.fault.target}: {one.last}" for one in done if one.last and one.caught_up is None]
    return [*found, *finding("unresolved", "faults that were not recovered from in time", late)]


def _disorderly(world: World) -> Iterable[Finding]:
    """Services that did not end in order when asked to; where faults overlap, what they wait for may be away."""
    services = [one for one in world.components.values() if isinstance(one, ServiceComponent)]
    bad = [f"{one.name} with status {status}" for one in services for status in one.statuses if status]
    return finding("unresolved", "graceful stops that were none", bad)


def _counts(evidence: Evidence, verdict: Verdict) -> dict[str, int]:
    ledger = evidence.ledger
    return {
        "uplinks": len(ledger.uplinks),
        "deliveries": sum(len(sent.ids) for sent in ledger.uplinks.values()),
        "state changes": len(evidence.changes),
        "stays": len(evidence.stays),
        "bookings": len(ledger.bookings),
        "reservations": len(evidence.reservations),
        "requests": sum(one.attempts for one in ledger.bookings),
        "events read by clients": sum(map(len, ledger.events.values())),
        "displays": len(evidence.displays),
        "lost by Mosquitto": len(verdict.broker_lost),
    }


@asynccontextmanager
async def _running(*runs: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """These, until the end of the context; one that fails ends it."""
    tasks = [asyncio.ensure_future(run()) for run in runs]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
