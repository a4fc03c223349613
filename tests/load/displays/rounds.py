"""The order of the displays' benchmark: start, let every display come to rest, change spaces, see what is queued.

In: the question. Out: its report. The ChirpStack double runs in this process, so that both ends of a latency are read
from one clock.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from rich.console import Console

from load.consumption import look_at
from load.displays.report import Question, Report
from load.displays.told import Told, match
from load.provisioning import settle_in
from load.running_platform import RunningPlatform, running_platform
from load.street import RUN, Street, TimedMessage
from parking_simulator.chirpstack import ChirpStackDouble
from parking_simulator.chirpstack.city_network import network_of_city
from parking_simulator.fleet_plan import application_id
from parking_simulator.publisher import Publisher
from parking_simulator.rendering import Application
from parkstream.embedded import ports
from parkstream.errors import OperatorError
from parkstream.migrate import connect as connect_database
from parkstream.platform_access import broker_of, plain_words

RAISED = {
    "PARKSTREAM_DOWNLINKS_PER_MINUTE_PER_GATEWAY": "1000000",
    "PARKSTREAM_DOWNLINKS_PER_MINUTE_PER_TENANT": "1000000",
}
# Lights and signs that speak by themselves, not after every downlink.
MIX = {"busylight": 0.8, "heltec": 0.2}
REST_SECONDS = 900.0
TOKENS_SECONDS = 60.0
POLL_SECONDS = 0.2
SHORTEST_SLEEP_SECONDS = 0.0005
WARM_UP_SECONDS = 5.0
AT_REST = """
    SELECT count(*) = $1 AND coalesce(bool_and(sent_version = desired_version AND due_at IS NULL), false)
    FROM downlink.displays WHERE desired IS NOT NULL AND desired <> 'unknown'
"""


@dataclass(frozen=True)
class Stage:
    """A platform, its ChirpStack double, and who speaks."""

    platform: RunningPlatform
    chirpstack: ChirpStackDouble
    street: Street
    database: asyncpg.Connection
    display_of: dict[str, str]

    async def come_to_rest(self) -> None:
        """Wait until every display has been given what it should show."""

        async def is_at_rest() -> bool:
            return bool(await self.database.fetchval(AT_REST, len(self.display_of)))

        await _until(is_at_rest)

    async def publish(self, messages: list[TimedMessage]) -> list[tuple[str, float]]:
        """Send each message when it is due; the display it concerns, and when that was."""
        broker, version = broker_of(self.platform.connections), self.platform.mqtt_version
        async with Publisher(broker, client_id="parkstream-bench", version=version) as publisher:
            began = time.monotonic()
            for timed in messages:
                ahead = began + timed.due_seconds - time.monotonic()
                if ahead > SHORTEST_SLEEP_SECONDS:
                    await asyncio.sleep(ahead)
                await publisher.publish(timed.message)
            await publisher.drain()
        return [(self.display_of[timed.cause.split(":")[1]], began + timed.due_seconds) for timed in messages]


async def measure(question: Question, console: Console) -> Report:
    """Everything."""
    report = Report(question)
    async with _stage(question.displays, RAISED, console, mosquitto=question.mosquitto) as stage:
        await _changes(stage, question, WARM_UP_SECONDS)
        for number in range(1, question.runs + 1):
            before = look_at(stage.platform.processes)
            told, downlinks, changes = await _changes(stage, question, question.seconds)
            cpu = look_at(stage.platform.processes).cpu_since(before)
            report.add(told, downlinks, cpu, changes)
            console.print(f"run {number} of {question.runs} done", style="dim")
    if question.converging:
        async with _stage(question.converging, {}, console, mosquitto=question.mosquitto) as stage:
            await _converge(stage, report)
    return report


@asynccontextmanager
async def _stage(
    displays: int, settings: Mapping[str, str], console: Console, *, mosquitto: bool
) -> AsyncIterator[Stage]:
    """A platform whose displays all show what they should."""
    street = Street(displays, displays=MIX)
    network = network_of_city(street.city, Application(id=application_id(RUN), name=f"parkstream-{RUN}"))
    port, token = ports.free_port(), "bench"
    chirpstack = {"PARKSTREAM_CHIRPSTACK_URL": f"http://127.0.0.1:{port}", "PARKSTREAM_CHIRPSTACK_TOKEN": token}
    with console.status("starting the platform") as status:
        async with running_platform(mosquitto=mosquitto, settings={**chirpstack, **settings}) as platform:
            double = ChirpStackDouble(
                network, mqtt=platform.connections.mqtt_url, mqtt_version=platform.mqtt_version, token=token, port=port
            )
            database = await connect_database(platform.connections.database_url)
            async with double:
                status.stop()
                with plain_words():
                    await settle_in(platform, street, console)
                display_of = {bay.device.dev_eui: bay.display.dev_eui for bay in street.city.bays if bay.display}
                stage = Stage(platform, double, street, database, display_of)
                with console.status("waiting until every display has been told"):
                    await stage.come_to_rest()
                yield stage
            await database.close()


async def _changes(stage: Stage, question: Question, seconds: float) -> tuple[Told, int, int]:
    """Change spaces one after another; what came of it, downlinks and changes."""
    queued = len(stage.chirpstack.enqueued)
    messages = stage.street.timed(int(question.rate * seconds), question.rate, time.time_ns())
    changes = await stage.publish(messages)
    await stage.come_to_rest()
    downlinks = [(one.dev_eui, one.at) for one in stage.chirpstack.enqueued[queued:]]
    return match(changes, downlinks), len(downlinks), len(changes)


async def _converge(stage: Stage, report: Report) -> None:
    """Change every space at once, after the tokens have come back."""
    await _tokens_are_back(stage)
    queued = len(stage.chirpstack.enqueued)
    messages = stage.street.timed(len(stage.display_of), 1e6, time.time_ns())
    changes = await stage.publish(messages)

    async def all_are_told() -> bool:
        return len({one.dev_eui for one in stage.chirpstack.enqueued[queued:]}) == len(stage.display_of)

    await _until(all_are_told)
    await stage.come_to_rest()
    since = dict(changes)
    last = {one.dev_eui: one.at for one in stage.chirpstack.enqueued[queued:]}
    report.add_convergence([last[eui] - since[eui] for eui in since], len(stage.chirpstack.enqueued) - queued)


async def _tokens_are_back(stage: Stage) -> None:
    """Wait until a minute has passed since the last downlink: buckets hold a minute's worth."""

    async def a_minute_has_passed() -> bool:
        return time.monotonic() - stage.chirpstack.enqueued[-1].at > TOKENS_SECONDS

    await _until(a_minute_has_passed)


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    began = time.monotonic()
    while not await holds():
        if time.monotonic() - began > REST_SECONDS:
            raise OperatorError(f"Not every display was told within {REST_SECONDS:.0f} s.")
        await asyncio.sleep(POLL_SECONDS)
