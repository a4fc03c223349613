"""Several rounds, one after the other, and what is seen of them meanwhile.

In: what was asked for on the command line. Out: a report, and progress on the console.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator

import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from chaos.checker import Finding
from chaos.cluster import NODES
from chaos.report import Report, Round
from chaos.rounds import UPLINKS_PER_SECOND, Wanted, run_round
from chaos.world import Broker
from parkstream.errors import OperatorError

SHORT_SECONDS = 85.0
ROUND_SECONDS = 110.0
DENSE_ROUND_SECONDS = 60.0
CLUSTER_SHORT_SECONDS, CLUSTER_ROUND_SECONDS = 60.0, 150.0
BROKERS: tuple[Broker, Broker] = ("mosquitto", "embedded")


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """See `chaos.__main__`."""

    seed: int
    minutes: float
    broker: str = "both"
    replicas: int = 0
    rate: float = UPLINKS_PER_SECOND
    short: bool = False
    cluster: bool = False


def rounds_of(series: Series) -> Iterator[Wanted]:
    """One after the other, for ever; a short series has one."""
    if series.broker not in {*BROKERS, "both"}:
        raise OperatorError(f"--broker {series.broker} is not known.", "Give mosquitto, embedded or both.")
    seed = series.seed
    if series.cluster:
        yield from _cluster_rounds(series)
        return
    while True:
        broker = BROKERS[seed // 2 % 2] if series.broker == "both" else BROKERS[BROKERS.index(series.broker)]
        # The embedded listener is for one machine: there is one ingestor, and so one of each.
        replicas = series.replicas or (1 + seed // 4 % 2 if broker == "mosquitto" else 1)
        dense = series.short or seed % 2 == 0
        seconds = SHORT_SECONDS if series.short else DENSE_ROUND_SECONDS if dense else ROUND_SECONDS
        yield Wanted(seed=seed, seconds=seconds, broker=broker, replicas=replicas, dense=dense, rate=series.rate)
        if series.short:
            return
        seed += 1


def _cluster_rounds(series: Series) -> Iterator[Wanted]:
    """On three NATS nodes with two of every service, and so with Mosquitto; longer, since an election takes seconds."""
    for seed in itertools.count(series.seed):
        seconds = CLUSTER_SHORT_SECONDS if series.short else CLUSTER_ROUND_SECONDS
        yield Wanted(
            seed=seed,
            seconds=seconds,
            replicas=2,
            dense=series.short or seed % 2 == 0,
            rate=series.rate,
            nats_nodes=NODES,
        )
        if series.short:
            return


async def run_series(series: Series, console: Console, on_round: Callable[[Report], None]) -> Report:
    """Rounds until the time is over; the last one is finished. `on_round` gets what there is after each."""
    report = Report([])
    began, total = time.monotonic(), 60 * series.minutes
    with _bar(console, total) as bar:
        task = bar.add_task("", total=total, said="")
        ticking = asyncio.create_task(_tick(bar, began))
        try:
            for wanted in rounds_of(series):
                if report.rounds and time.monotonic() - began > total:
                    break
                report.rounds.append(await _one(wanted, bar, console))
                on_round(report)
        finally:
            ticking.cancel()
        bar.update(task, completed=total)
    return report


async def _one(wanted: Wanted, bar: Progress, console: Console) -> Round:
    kind = "overlapping" if wanted.dense else "one by one"
    name = f"seed {wanted.seed}: {wanted.broker}, {wanted.replicas} of each, faults {kind}"
    console.print(name, markup=False)

    began = time.monotonic()

    def say(text: str) -> None:
        bar.update(bar.task_ids[0], said=f"seed {wanted.seed}: {text.strip()}")
        console.print(f"{time.monotonic() - began:6.1f}  {text}", markup=False, style="dim")

    try:
        done = await run_round(wanted, say)
    except (OperatorError, TimeoutError) as error:
        done = _broken_off(wanted, str(error) or type(error).__name__, time.monotonic() - began)
    for one in done.findings:
        console.print(f"  {one.kind}: {one.count} {one.what}: {'; '.join(one.examples)}", style="red", markup=False)
    console.print(f"  {done.summary}", markup=False)
    return done


def _broken_off(wanted: Wanted, why: str, seconds: float) -> Round:
    """A round that could not be carried out is a finding: nobody knows what it would have shown."""
    return Round(
        seed=wanted.seed,
        broker=wanted.broker,
        replicas=wanted.replicas,
        dense=wanted.dense,
        seconds=seconds,
        faults=[],
        counts={},
        findings=[Finding("unresolved", "a round that could not be carried out", 1, (why,))],
    )


def _bar(console: Console, total: float) -> Progress:
    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[said]}", markup=False))
    return Progress(*columns, console=console, transient=True, disable=total <= 0)


async def _tick(bar: Progress, began: float) -> None:
    while True:
        bar.update(bar.task_ids[0], completed=time.monotonic() - began)
        await asyncio.sleep(1)
