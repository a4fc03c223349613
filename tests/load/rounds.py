"""The order of a benchmark: start, make the spaces, warm up, then latency and burst as often as asked.

In: the question. Out: its figures. What is shown while it works is here too.
"""

from collections.abc import Callable

from rich.console import Console

from load.burst import measure_burst, publish_all
from load.figures import Figures, Question
from load.latency import measure_latency
from load.running_platform import RunningPlatform, running_platform
from load.street import Street
from parkstream.platform_access import command_client, find_tenant, plain_words
from parkstream.showing import counting_bar, provision_with_bar

WARM_UP_SECONDS = 2.0
WARM_UP_SHARE = 0.1  # of the burst


async def measure(question: Question, console: Console) -> Figures:
    """Everything, on a platform started for it."""
    with console.status("starting the platform") as status:
        async with running_platform(mosquitto=question.mosquitto) as platform:
            status.stop()
            rounds = Rounds(platform, question, console)
            with plain_words():
                await rounds.settle_in()
                await rounds.run(WARM_UP_SECONDS, int(question.uplinks * WARM_UP_SHARE), Figures(question), "warm-up")
                figures = Figures(question)
                for number in range(1, question.runs + 1):
                    said = f"run {number} of {question.runs}"
                    await rounds.run(question.seconds, question.uplinks, figures, said)
            status.update("ending the platform")
            status.start()
    return figures


class Rounds:
    """One platform, measured again and again."""

    def __init__(self, platform: RunningPlatform, question: Question, console: Console) -> None:
        self._platform = platform
        self._question = question
        self._console = console
        self._street = Street(question.spaces)

    async def settle_in(self) -> None:
        """Make the spaces, and let every sensor say hello."""
        connections = self._platform.connections
        tenant_id = await find_tenant(connections, None)
        async with command_client(connections, tenant_id, "bench") as client:
            await provision_with_bar(self._console, client, self._street.city.fleet)
        await publish_all(self._platform, self._street.come_up())

    async def run(self, seconds: float, uplinks: int, figures: Figures, said: str) -> None:
        """One round, added to the figures."""
        await self._latency(max(2, int(seconds * self._question.rate)), figures, said)
        await self._burst(uplinks, figures, said)
        median, drained = figures.latency_ms["p50"][-1], figures.drain_per_second[-1]
        self._console.print(f"{said}: p50 {median:,.0f} ms, {drained:,.0f} uplinks/s", style="dim")

    async def _latency(self, count: int, figures: Figures, said: str) -> None:
        rate = self._question.rate
        with counting_bar(self._console, f"{said}: events, at {rate:,.0f} uplinks/s", count) as progress:
            latencies = await measure_latency(
                self._platform,
                lambda begin_ns: self._street.changes(count, rate, begin_ns),
                lambda: progress.advance(progress.task_ids[0]),
            )
        figures.add_latencies(latencies)

    async def _burst(self, count: int, figures: Figures, said: str) -> None:
        messages = self._street.burst(count, self._question.changing)
        with counting_bar(self._console, f"{said}: a burst", count) as progress:
            show: Callable[[int], None] = lambda done: progress.update(progress.task_ids[0], completed=done)  # noqa: E731
            figures.add_burst(await measure_burst(self._platform, messages, show))
