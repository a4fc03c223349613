"""How long after the end of a fault everything that came before is caught up with.

In: a running world, and the moment. Out: seconds until every uplink that was on the air by then is a reading, every
event it caused has left its outbox and reached the clients, every display has been told, every booking is answered and
every service says that it is ready; or what of it was still missing.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import asyncpg
from nats.aio.client import Client
from nats.errors import Error as NatsError

from chaos.bookings import Bookings
from chaos.checker import CREATED
from chaos.components import ServiceComponent
from chaos.double import ask_displays
from chaos.expectation import EPOCH, is_brokers_loss, microseconds, shown_on
from chaos.follower import Follower
from chaos.gathering import left_overs
from chaos.ledger import SentUplink
from chaos.world import World

POLL_SECONDS = 0.25
READY_SECONDS = 1.0
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, NatsError)
# Rows are looked for from a little before the last look, since they are committed in another order than received.
OVERLAP_SECONDS = 90.0
DISPLAYS = """
    SELECT dev_eui, sent_version, desired_version, desired, now() - due_at AS overdue, claim, now() - heard_at AS heard,
           failed_at, mended
    FROM downlink.displays
"""
Instant = tuple[str, int, int]
"""Device, fCnt, microseconds."""


class Watch:
    """Looks at a world from outside, past every proxy, through connections that are made anew when they break."""

    def __init__(self, world: World, followers: Sequence[Follower], bookings: Bookings) -> None:
        self._world = world
        self._followers = followers
        self._bookings = bookings
        self._sql: asyncpg.Connection | None = None
        self._bus: Client | None = None
        self._stored: set[Instant] = set()
        self._seen_until = EPOCH

    async def close(self) -> None:
        """Hang up."""
        if self._sql is not None:
            self._sql.terminate()
        if self._bus is not None:
            await self._bus.close()

    async def sql(self) -> asyncpg.Connection:
        """A connection that works, or an error of `AWAY`."""
        if self._sql is None or self._sql.is_closed():
            self._sql = await self._world.connect_database()
        return self._sql

    async def bus(self) -> Client:
        """The same of the bus."""
        if self._bus is None or not self._bus.is_connected:
            self._bus = await self._world.connect_bus()
        return self._bus

    async def stored(self) -> int:
        """How many frames of the ledger are readings now."""
        sql = await self.sql()
        rows = await sql.fetch(
            "SELECT dev_eui, f_cnt, occurred_at, received_at FROM occupancy.sensor_readings WHERE received_at >= $1",
            self._seen_until,
        )
        self._stored |= {(row["dev_eui"], row["f_cnt"], microseconds(row["occurred_at"])) for row in rows}
        newest = max((row["received_at"].timestamp() for row in rows), default=0.0)
        self._seen_until = max(self._seen_until, datetime.fromtimestamp(max(0.0, newest - OVERLAP_SECONDS), UTC))
        return len(self._stored)

    def awaited(self) -> set[Instant]:
        """Frames that should be stored and are not known to be: all but those that a killed broker has lost."""
        ledger = self._world.ledger
        frames = ledger.uplinks.values()
        return {_instant(sent) for sent in frames if sent.timed and not is_brokers_loss(ledger, sent)} - self._stored

    async def caught_up(self, patience_seconds: float) -> tuple[float | None, str]:
        """Seconds from now on until all is caught up with, or None; and what came last, or has not come."""
        began, now = time.monotonic(), datetime.now(UTC)
        waiting = _Waiting(self, self.awaited(), now)
        last = ""
        while time.monotonic() - began < patience_seconds:
            try:
                missing = await waiting.missing(began)
            except AWAY as error:
                missing = f"PostgreSQL or NATS: {error or type(error).__name__}"
            if not missing:
                return time.monotonic() - began, last
            last = missing
            await asyncio.sleep(POLL_SECONDS)
        return None, last

    async def ready(self) -> bool:
        """Whether every service says so."""
        services = [one for one in self._world.components.values() if isinstance(one, ServiceComponent)]
        return all(await asyncio.gather(*(one.wait_ready(READY_SECONDS) for one in services)))

    async def at_rest(self) -> str:
        """What keeps the world from being at rest, or nothing."""
        sql = await self.sql()
        left = {name: count for name, count in (await left_overs(sql, await self.bus())).items() if count}
        if left:
            return ", ".join(f"{count} {name}" for name, count in left.items())
        versions = dict(await sql.fetch("SELECT id::text, version FROM occupancy.spaces WHERE version > 1"))
        made = await sql.fetchval("SELECT count(*) FROM reservation.reservations")
        if behind := self.behind(versions) + made - self._announced():
            return f"{behind} events, for clients"
        shown = await ask_displays(self._world.control_port)
        states = dict(await sql.fetch("SELECT display_eui, state FROM occupancy.spaces"))
        wrong = [eui for eui, family in self._families() if shown.get(eui) != shown_on(family, states[eui])]
        return f"{len(wrong)} displays" if wrong else ""

    def _families(self) -> Iterator[tuple[str, str]]:
        for town in self._world.towns:
            for bay in town.city.bays:
                if bay.display is not None:
                    yield bay.display.dev_eui, bay.display.family

    def _announced(self) -> int:
        """Reservations whose making clients have read of."""
        events = (event for seen in self._world.ledger.events.values() for event in seen)
        return len({event.reservation_id for event in events if event.type == CREATED})

    def behind(self, versions: dict[str, int]) -> int:
        """Spaces whose version the clients have not read."""
        seen: dict[str, int] = {}
        for follower in self._followers:
            seen |= follower.versions
        return sum(seen.get(space, 1) < version for space, version in versions.items())

    def unanswered(self, before: float) -> int:
        """Bookings that were asked for by then and have no answer."""
        return sum(one.asked_at <= before and one.answered_at is None for one in self._world.ledger.bookings)


class _Waiting:
    """For what was there at one moment; each step begins when the one before is done."""

    def __init__(self, watch: Watch, awaited: set[Instant], since: datetime) -> None:
        self._watch = watch
        self._awaited = awaited
        self._since = since
        self._versions: dict[str, int] | None = None
        self._wishes: dict[str, int] = {}

    async def missing(self, began: float) -> str:
        """What is, or nothing."""
        watch = self._watch
        await watch.stored()
        self._awaited &= watch.awaited()
        if self._awaited:
            return f"{len(self._awaited)} uplinks"
        sql = await watch.sql()
        for schema in ("occupancy", "reservation", "downlink"):
            if count := await sql.fetchval(f"SELECT count(*) FROM {schema}.outbox WHERE time < $1", self._since):
                return f"{count} events in {schema}.outbox"
        if self._versions is None:
            self._versions = dict(await sql.fetch("SELECT id::text, version FROM occupancy.spaces WHERE version > 1"))
            self._wishes = dict(await sql.fetch("SELECT dev_eui, desired_version FROM downlink.displays"))
        if behind := watch.behind(self._versions):
            return f"the last events of {behind} spaces, for clients"
        rows = {row["dev_eui"]: row for row in await sql.fetch(DISPLAYS)}
        waiting = [row for eui, row in rows.items() if row["sent_version"] < self._wishes.get(eui, 0)]
        if waiting:
            return f"{len(waiting)} displays to be told, such as {dict(waiting[0])}"
        if unanswered := watch.unanswered(began):
            return f"{unanswered} answers to bookings"
        return "" if await watch.ready() else "a service that is not ready"


def _instant(sent: SentUplink) -> Instant:
    return (sent.dev_eui, sent.f_cnt, sent.at_us)


async def come_to_rest(watch: Watch, patience_seconds: float) -> str:
    """Wait until nothing is under way any more; what still was when patience ran out, or nothing."""
    deadline = time.monotonic() + patience_seconds
    missing = "not looked yet"
    while time.monotonic() < deadline:
        with contextlib.suppress(*AWAY):
            await watch.stored()
            awaited = len(watch.awaited())
            missing = f"{awaited} uplinks" if awaited else await watch.at_rest()
            if not missing:
                return ""
        await asyncio.sleep(POLL_SECONDS)
    return missing
