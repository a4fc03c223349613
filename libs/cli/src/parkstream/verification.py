"""What became of a replay: waiting until everything is processed, comparing, and showing the differences.

In: what was recorded and sent. Out: a verdict, and a table of every stay that is missing, invented or different. It
waits for conditions, never for a time: until all frames are readings and the stays agree, or until nothing has moved
for as long as the caller's patience.
"""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Final
from uuid import UUID

import asyncpg
from nats.aio.client import Client
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from parking_contracts.streams import UPLINKS
from parking_simulator.comparison import Difference, FoundStay, compare
from parking_simulator.fleet import sensor_euis
from parking_simulator.replayed_street import Street
from parking_simulator.stays import Interval, show_minute
from parkstream import queries
from parkstream.migrate import connect as connect_database
from parkstream.settings import Connections
from parkstream.showing import counting_bar
from parkstream.streams import connect as connect_nats

POLL_SECONDS: Final = 0.25
SHOWN_DIFFERENCES: Final = 50


@dataclass(frozen=True)
class Expectation:
    """What should be there: one reading per frame, and the street's stays."""

    tenant_id: UUID
    street: Street
    frames: int
    patience_seconds: float


@dataclass
class Verdict:
    """What was found. `processed_at` is the monotonic time at which the last progress was seen."""

    readings: int = 0
    waiting: int = 0
    differences: list[Difference] = field(default_factory=list)
    processed_at: float = 0.0
    frames: int = 0

    @property
    def same(self) -> bool:
        """Nothing missing, nothing invented, no frame lost, none counted twice."""
        return not self.differences and self.readings == self.frames


async def verify(found: Connections, expected: Expectation, console: Console, zone: tzinfo) -> Verdict:
    """Wait until all is processed, compare, and print what differs."""
    connection = await connect_database(found.database_url)
    try:
        nats = await connect_nats(found.nats_url)
        try:
            with counting_bar(console, "waiting for the last readings", expected.frames) as progress:
                verdict = await _settle(connection, nats, expected, progress)
        finally:
            await nats.close()
    finally:
        await connection.close()
    _print(console, verdict, expected, zone)
    return verdict


async def _settle(connection: asyncpg.Connection, nats: Client, expected: Expectation, progress: Progress) -> Verdict:
    euis = sensor_euis(expected.street.fleet.spaces)
    moved_at = time.monotonic()
    verdict = Verdict(frames=expected.frames, processed_at=moved_at)
    while True:
        asked_at = time.monotonic()
        waiting = await _waiting(nats)
        readings = await queries.count_readings(connection, expected.tenant_id, euis)
        if (readings, waiting) != (verdict.readings, verdict.waiting):
            if readings != verdict.readings:
                verdict.processed_at = asked_at
            moved_at = asked_at
        verdict.readings, verdict.waiting = readings, waiting
        progress.update(progress.task_ids[0], completed=readings)
        given_up = asked_at - moved_at > expected.patience_seconds
        if readings >= expected.frames or given_up:
            stays = await queries.stays_of_site(connection, expected.tenant_id, expected.street.site_id)
            verdict.differences = compare(expected.street.stays, stays)
            if given_up or (verdict.same and waiting == 0):
                return verdict
        await asyncio.sleep(POLL_SECONDS)


async def _waiting(nats: Client) -> int:
    """How many messages of UPLINKS the engine has not acknowledged."""
    info = await nats.jetstream().consumer_info(UPLINKS.name, UPLINKS.consumers[0].name)
    return (info.num_pending or 0) + (info.num_ack_pending or 0)


def _print(console: Console, verdict: Verdict, expected: Expectation, zone: tzinfo) -> None:
    stays = sum(map(len, expected.street.stays.values()))
    if verdict.readings != verdict.frames:
        console.print(f"[red]{verdict.readings:,} readings of {verdict.frames:,} distinct uplinks[/red]")
        if verdict.waiting:
            console.print(f"{verdict.waiting:,} messages still wait in {UPLINKS.name}")
    else:
        console.print(f"every one of {verdict.frames:,} distinct uplinks is one reading")
    if verdict.differences:
        console.print(_table(verdict.differences, zone))
    kinds = [difference.kind for difference in verdict.differences]
    colour = "red" if kinds else "green"
    console.print(
        f"[{colour}]{len(kinds)} differences[/{colour}] to {stays:,} recorded stays: {kinds.count('missing')} missing, "
        f"{kinds.count('invented')} invented, {kinds.count('different')} different"
    )


def _table(differences: list[Difference], zone: tzinfo) -> Table:
    caption = f"and {len(differences) - SHOWN_DIFFERENCES} more" if len(differences) > SHOWN_DIFFERENCES else None
    table = Table("difference", "bay", "recorded", "found", caption=caption)
    for difference in differences[:SHOWN_DIFFERENCES]:
        recorded = _span(difference.recorded, zone)
        table.add_row(difference.kind, difference.bay, recorded, _span(difference.found, zone))
    return table


def _span(stay: Interval | FoundStay | None, zone: tzinfo) -> str:
    if stay is None:
        return ""
    end = show_minute(stay.end, zone) if stay.end is not None else "still there"
    return f"{show_minute(stay.start, zone)} - {end}"
