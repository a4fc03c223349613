"""The order of a benchmark: start, make the spaces, warm up, then latency and bursts as often as asked.

In: the question. Out: its figures. What is shown while it works is here too.
"""

from rich.console import Console

from load.bars import burst_bar
from load.drain import WAYS, Drain, Drained, Way
from load.figures import BrokerFigures, Figures, Question
from load.latency import measure_latency
from load.prepared import prepared
from load.profile import Profiling, profiled
from load.running_platform import Broker
from load.street import Street
from load.traffic import make_traffic
from parkstream.showing import counting_bar

WARM_UP_SECONDS = 2.0
WARM_UP_SHARE = 0.1  # of the burst


async def measure(question: Question, console: Console) -> Figures:
    """Everything, on a platform started for each broker."""
    figures = Figures(question)
    for broker in question.brokers:
        figures.of[broker] = await measure_with(broker, question, console)
    return figures


async def measure_with(broker: Broker, question: Question, console: Console) -> BrokerFigures:
    """All runs with one broker."""
    figures = BrokerFigures()
    with profiled(wanted=question.profile) as profile:
        async with prepared(broker, question.spaces, question.uplink_bytes, console, profile.environment) as (
            drain,
            street,
        ):
            rounds = Rounds(drain, profile, street, question, console, f"{broker}, ")
            await rounds.run(WARM_UP_SECONDS, int(question.uplinks * WARM_UP_SHARE), BrokerFigures(), "warm-up")
            await profile.begin(drain.database)
            sent = drain.sent
            for number in range(1, question.runs + 1):
                said = f"run {number} of {question.runs}"
                await rounds.run(question.seconds, question.uplinks, figures, said)
            await profile.end(drain.database, drain.sent - sent)
        figures.profile = profile.read()
    return figures


class Rounds:
    """One platform, measured again and again."""

    def __init__(
        self, drain: Drain, profile: Profiling, street: Street, question: Question, console: Console, prefix: str
    ) -> None:
        self._drain = drain
        self._profile = profile
        self._street = street
        self._question = question
        self._console = console
        self._prefix = prefix

    async def run(self, seconds: float, uplinks: int, figures: BrokerFigures, said: str) -> None:
        """One round, added to the figures."""
        await self._latency(max(20, int(seconds * self._question.rate)), figures, said)
        for way in WAYS:
            figures.add_drained(way, await self.burst(way, uplinks, said))
        median, drained = figures.latency_ms["p50"][-1], figures.drained_per_second
        self._console.print(
            f"{self._prefix}{said}: p50 {median:,.1f} ms, "
            + ", ".join(f"{way} {rates[-1]:,.0f} uplinks/s" for way, rates in drained.items()),
            style="dim",
        )

    async def burst(self, way: Way, count: int, said: str) -> Drained:
        """Work off one burst."""
        with self._console.status(f"{self._prefix}{said}: rendering {count:,} uplinks"):
            traffic = make_traffic(self._street, count, self._question.mix)
        with (
            burst_bar(self._console, f"{self._prefix}{said}: a burst, {way}", count) as show,
            self._profile.sampling(self._drain.platform.processes),
        ):
            return await self._drain.measure(way, traffic, show)

    async def _latency(self, count: int, figures: BrokerFigures, said: str) -> None:
        rate, changing = self._question.rate, self._question.mix.changing
        events = int(count * changing)
        with counting_bar(self._console, f"{self._prefix}{said}: events, at {rate:,.0f} uplinks/s", events) as progress:
            latencies = await measure_latency(
                self._drain.platform,
                lambda begin_ns: self._street.timed(count, rate, begin_ns, changing),
                lambda: progress.advance(progress.task_ids[0]),
            )
        await self._drain.rest(count)
        figures.add_latencies(latencies)
