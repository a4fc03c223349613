"""The figures of the past, kept up by a clock: `Rollups.keep_up` is one pass, top to bottom.

In: stays, where spaces stood, and what changed stays left in the queue. Out: rows of `zone_days` and `space_days`. A
local day of a zone and kind is computed whole, from its stays, and never adjusted: it comes out the same however late
or often they changed. One engine at a time does this; the others find the lead taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import structlog

from occupancy_engine import metrics
from occupancy_engine.domain.rollup import Presence, Tally, fold_space
from occupancy_engine.store import rollup_rows, rollups, stale_rollups
from occupancy_engine.store.rollup_rows import DayRow
from occupancy_engine.store.rollups import PlaceKind, SiteDay
from parking_chassis.postgres import Connection, Pool
from parking_chassis.turns import end_turn, take_turn
from parking_contracts.local_days import LocalDay, local_day

log = structlog.get_logger()

TURN = "occupancy.rollups"
SILENT_SECONDS = 60.0
STALE_AT_ONCE = 2_000
DAYS_AT_ONCE = 100
SPACES_AT_ONCE = 100


class Rollups:
    """The clock's work."""

    def __init__(self, pool: Pool, *, refresh_seconds: float) -> None:
        self._pool = pool
        self._refresh = timedelta(seconds=refresh_seconds)

    async def keep_up(self) -> int:
        """Compute every day that is due, the running one included; answers how many days of sites were."""
        async with self._pool.acquire() as connection:
            if not await take_turn(connection, TURN, silent_seconds=SILENT_SECONDS):
                return 0
            try:
                return await self._keep_up(connection)
            finally:
                await end_turn(connection, TURN)

    async def _keep_up(self, connection: Connection) -> int:
        until = await self._find_due(connection)
        if until is None:
            return 0
        computed = 0
        while due := await rollups.days_due(connection, DAYS_AT_ONCE):
            for site_day in due:
                async with connection.transaction():
                    await compute_day(connection, site_day, until)
                computed += 1
        metrics.ROLLUP_DAYS.inc(computed)
        metrics.ROLLUPS_COMPUTED_UNTIL.set(until)
        return computed

    async def _find_due(self, connection: Connection) -> int | None:
        """Note what is due; answers until which second days are to be computed, or None if another has just done it."""
        async with connection.transaction():
            moment = await rollups.database_time(connection)
            if await rollups.fresh_since(connection, moment - self._refresh / 2):
                return None
            await stale_rollups.watch_sites(connection)
            await stale_rollups.note_running(connection, moment)
            while stale := await stale_rollups.take_stale(connection, STALE_AT_ONCE):
                await stale_rollups.mark_stale(connection, stale, moment)
            await stale_rollups.mark_running_days(connection, moment)
        return int(moment.timestamp())


async def compute_day(connection: Connection, site_day: SiteDay, until: int) -> None:
    """Compute what is due of a site's day, then the sums above it, in the caller's transaction."""
    day = local_day(site_day.time_zone, site_day.day)
    places = await rollups.take_day(connection, site_day)
    present = await rollups.presences(connection, site_day, day, places)
    tallies: dict[PlaceKind, Tally] = {}
    space_rows = []
    for place in places:
        of_spaces = await _fold_place(connection, site_day, day, present[place], until)
        tallies[place] = tally = Tally.of(day)
        for space_id, one in of_spaces.items():
            tally.add(one)
            figures = (sum(one.occupied), sum(one.watched), one.arrivals, one.departures, one.dwell_seconds)
            space_rows.append((*place, space_id, *figures))
    others = await rollups.other_places(connection, site_day, places)
    rows = [DayRow("zone_kind", *place, tally) for place, tally in tallies.items()]
    rows += _sums(day, others | tallies, places)
    await rollup_rows.write_zone_days(connection, site_day, day, rows, min(until, day.ends_at))
    await rollup_rows.write_space_days(connection, site_day, places, space_rows)


async def _fold_place(
    connection: Connection, site_day: SiteDay, day: LocalDay, present: Mapping[UUID, list[Presence]], until: int
) -> dict[UUID, Tally]:
    """The day of each space of a zone and kind. Uplinks have their turn between two handfuls of spaces."""
    tallies = {}
    everything = list(present)
    for start in range(0, len(everything), SPACES_AT_ONCE):
        spaces = everything[start : start + SPACES_AT_ONCE]
        stays = await rollups.stays_of_day(connection, site_day.tenant_id, spaces, day, until)
        for space_id in spaces:
            tally = fold_space(day, present[space_id], stays.get(space_id, ()), until)
            if not tally.empty:
                tallies[space_id] = tally
        await asyncio.sleep(0)
    return tallies


def _sums(day: LocalDay, known: Mapping[PlaceKind, Tally], changed: list[PlaceKind]) -> list[DayRow]:
    """The site, and each zone and kind in which something changed, added up from its parts."""
    zones, kinds = {zone for zone, _ in changed}, {kind for _, kind in changed}
    sums: dict[tuple[str, str, str], Tally] = {}
    for (zone, kind), tally in known.items():
        levels = [("site", "", "")]
        levels += [("zone", zone, "")] if zone in zones else []
        levels += [("kind", "", kind)] if kind in kinds else []
        for level in levels:
            sums.setdefault(level, Tally.of(day)).add(tally)
    return [DayRow(*level, tally) for level, tally in sums.items()]
