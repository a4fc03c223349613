"""The order of the comparison: start both, then one burst through the platform and one through Node-RED, in turn.

In: the question. Out: its report. Both work on the same Mosquitto and the same PostgreSQL; whoever has not his turn is
held, so that he takes no CPU.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console

from load.bars import burst_bar
from load.consumption import SERVICES
from load.drain import WAYS, Drain, Way, held
from load.peers.node_red import NodeRed, install, node_red
from load.peers.report import OURS, THEIRS, Question, Report
from load.prepared import prepared
from load.running_platform import Broker
from load.street import Street
from load.traffic import make_traffic

WARM_UP_SHARE = 0.1


async def compare(question: Question, console: Console) -> Report:
    """Everything."""
    with console.status("installing Node-RED"):
        report = Report(question, install())
    async with (
        prepared(Broker.MOSQUITTO, question.spaces, question.uplink_bytes, console) as (drain, street),
        node_red(drain.platform, drain.database) as peer,
    ):
        rounds = Rounds(drain, peer, street, question, console)
        await rounds.run(int(question.uplinks * WARM_UP_SHARE), Report(question, ""), "warm-up")
        for number in range(1, question.runs + 1):
            await rounds.run(question.uplinks, report, f"run {number} of {question.runs}")
    return report


class Rounds:
    """Both, measured again and again."""

    def __init__(self, drain: Drain, peer: NodeRed, street: Street, question: Question, console: Console) -> None:
        self._drain = drain
        self._peer = peer
        self._street = street
        self._question = question
        self._console = console

    async def run(self, uplinks: int, report: Report, said: str) -> None:
        """Each way once for each, with the very same messages."""
        for way in WAYS:
            with self._console.status(f"{said}: rendering {uplinks:,} uplinks"):
                traffic = make_traffic(self._street, uplinks, self._question.mix)
            with (
                held(self._peer.processes["node_red"]),
                burst_bar(self._console, f"{said}: Parkstream, {way}", uplinks) as show,
            ):
                report.add(OURS, way, await self._drain.measure(way, traffic, show))
            with (
                self._platform_held(),
                burst_bar(self._console, f"{said}: Node-RED, {way}", len(traffic.messages)) as show,
            ):
                report.add(THEIRS, way, await self._peer.measure(way, traffic, show))
            self._say(report, way, said)

    @contextmanager
    def _platform_held(self) -> Iterator[None]:
        with ExitStack() as stack:
            for name in SERVICES:
                stack.enter_context(held(self._drain.platform.processes[name]))
            yield

    def _say(self, report: Report, way: Way, said: str) -> None:
        ours, theirs = (report.per_second[whose][way][-1] for whose in (OURS, THEIRS))
        self._console.print(
            f"{said}, {way}: Parkstream {ours:,.0f}/s, Node-RED {theirs:,.0f}/s, {ours / theirs:.2f} x", style="dim"
        )
