"""The order of the API's benchmark: start, make the spaces, let uplinks flow slowly, then ask as often as wanted.

In: the question. Out: its report. What is shown while it works is here too.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import psutil
from rich.console import Console

from load.api.client import LightClient
from load.api.open_loop import Outcome, run_at_once, run_open_loop
from load.api.report import Question, Report
from load.api.workload import Workload
from load.consumption import look_at
from load.provisioning import settle_in
from load.running_platform import RunningPlatform, running_platform
from load.street import Street
from parking_simulator.publisher import Publisher
from parkstream.migrate import connect as connect_database
from parkstream.platform_access import broker_of, plain_words

NO_RATE_LIMITS = {
    "PARKSTREAM_RATE_LIMIT_READS_PER_SECOND": "0",
    "PARKSTREAM_RATE_LIMIT_WRITES_PER_SECOND": "0",
}
WARM_UP_SECONDS = 3.0
SPACES = """
    SELECT id, latitude, longitude FROM occupancy.space_directory
    WHERE deleted_at IS NULL AND latitude IS NOT NULL ORDER BY code
"""


async def measure(question: Question, console: Console) -> Report:
    """Everything, on a platform started for it."""
    with console.status("starting the platform") as status:
        async with running_platform(mosquitto=False, settings=NO_RATE_LIMITS) as platform:
            status.stop()
            street = Street(question.spaces)
            with plain_words():
                await settle_in(platform, street, console)
                async with (
                    _uplinks(platform, street, question.uplinks_per_second),
                    LightClient(platform.connections.api_url, {"X-API-Key": platform.connections.api_key}) as client,
                ):
                    return await _rounds(platform, question, client, console)


@contextlib.asynccontextmanager
async def _uplinks(platform: RunningPlatform, street: Street, rate: float) -> AsyncIterator[None]:
    """Sensors that change their spaces meanwhile, slowly."""

    async def speak() -> None:
        broker = broker_of(platform.connections)
        async with Publisher(broker, client_id="parkstream-bench", version=platform.mqtt_version) as publisher:
            while True:
                for timed in street.timed(max(1, int(rate)), rate, time.time_ns()):
                    await publisher.publish(timed.message)
                    await asyncio.sleep(1 / rate)

    speaking = asyncio.create_task(speak())
    try:
        yield
    finally:
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)


async def _rounds(platform: RunningPlatform, question: Question, client: LightClient, console: Console) -> Report:
    database = await connect_database(platform.connections.database_url)
    workload = Workload(client, await database.fetch(SPACES))
    await database.close()
    report = Report(question)
    await _run(platform, question, client, workload, Report(question), WARM_UP_SECONDS)
    for number in range(1, question.runs + 1):
        await _run(platform, question, client, workload, report, question.seconds)
        console.print(f"run {number} of {question.runs} done", style="dim")
    return report


async def _run(
    platform: RunningPlatform,
    question: Question,
    client: LightClient,
    workload: Workload,
    report: Report,
    seconds: float,
) -> None:
    """Reads, bookings, both, and contenders."""
    asked = (
        (f"reads, {question.reads_per_second:g}/s", workload.read, question.reads_per_second),
        (f"bookings, {question.bookings_per_second:g}/s", workload.booking, question.bookings_per_second),
        (f"mixed, {question.mixed_per_second:g}/s, 3 to 1", workload.mixed, question.mixed_per_second),
    )
    for name, make, rate in asked:
        await _measured(
            platform, report, name, lambda make=make, rate=rate: run_open_loop(client, make, rate=rate, seconds=seconds)
        )
    name = f"{question.contenders} for one slot"
    await _measured(platform, report, name, lambda: _contend(client, workload, question))


async def _contend(client: LightClient, workload: Workload, question: Question) -> Outcome:
    """Rounds of contenders; a round without exactly one winner counts as wrong."""
    outcome = Outcome()
    for _ in range(question.rounds):
        began = time.monotonic()
        statuses = await run_at_once(client, workload.contenders(question.contenders), outcome)
        outcome.seconds += time.monotonic() - began
        if statuses[201] != 1:
            outcome.wrong["winners", statuses[201]] += 1
    return outcome


async def _measured(
    platform: RunningPlatform, report: Report, name: str, ask: Callable[[], Awaitable[Outcome]]
) -> None:
    """One round with what it cost each process, this one included."""
    processes = {**platform.processes, "this client": os.getpid()}
    before, own = look_at(platform.processes), psutil.Process().cpu_times()
    outcome = await ask()
    after, now = look_at(platform.processes), psutil.Process().cpu_times()
    costs = after.cpu_since(before) | {"this client": now.user + now.system - own.user - own.system}
    report.add(name, outcome, {process: costs[process] for process in processes})
