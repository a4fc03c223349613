"""The clock: windows open and end, people are missed, overstays are noticed, and personal data is taken away in time.

Every replica runs it. A space that somebody else is settling at this moment is left to him, so replicas neither wait
for each other nor do anything twice; what one leaves undone the next run finds again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import asyncpg
import structlog

from parking_chassis.isolation import failure_of
from parking_chassis.postgres import DATABASE_AWAY, Connection, Pool
from parking_contracts.command import Command
from parking_contracts.reservation import ReservationOpened, ReservationReleased
from parking_contracts.reservation_commands import ClockRun, RunClock
from reservation_service import metrics
from reservation_service.domain.reservation import Rules
from reservation_service.domain.windows import Step
from reservation_service.settling import settle
from reservation_service.store import people
from reservation_service.store.due import spaces_due
from reservation_service.store.live import count_live
from reservation_service.store.locks import SpaceKey, try_lock_space

log = structlog.get_logger()

# A command holds the locks of all its spaces until it commits, and the server has room for some thousands.
SPACES_PER_COMMAND = 500
COUNT_SECONDS = 30.0


class Clock:
    """The service's clock."""

    def __init__(self, pool: Pool, rules: Rules, *, keep_answers: timedelta) -> None:
        self._pool = pool
        self._rules = rules
        self._keep_answers = keep_answers

    async def run(self) -> None:
        """Settle every space to which something is owed, each in a transaction of its own."""
        with metrics.CLOCK_SECONDS.time():
            async with self._pool.acquire() as connection:
                due = await spaces_due(connection, datetime.now(UTC), self._rules)
            for key in due:
                failure = await failure_of(self._settle(key))
                if isinstance(failure, DATABASE_AWAY) and not isinstance(failure, asyncpg.LockNotAvailableError):
                    raise failure
                if failure is not None:  # one space must not keep the others waiting
                    metrics.SPACES_UNSETTLED.inc()
                    log.error("space_unsettled", tenant=str(key[0]), space=str(key[1]), exc_info=failure)

    async def _settle(self, key: SpaceKey) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await _settle_unless_busy(connection, key, self._rules)

    async def keep_house(self) -> None:
        """Take away the personal data of reservations long past, and the answers nobody will ask for again."""
        now = datetime.now(UTC)
        while True:
            async with self._pool.acquire() as connection, connection.transaction():
                pruned = await people.prune(connection, now - self._rules.keep_personal_data, now)
            metrics.PRUNED.inc(pruned)
            if pruned < people.PRUNED_AT_ONCE:
                break
        async with self._pool.acquire() as connection:
            await people.prune_answers(connection, self._keep_answers)

    async def count_live(self) -> None:
        """Set the figures of what has not ended."""
        async with self._pool.acquire() as connection:
            live = await count_live(connection)
        metrics.LIVE.labels("upcoming").set(live.upcoming)
        metrics.LIVE.labels("open").set(live.open)
        metrics.OVERDUE.set(live.overdue)

    async def run_for(self, connection: Connection, command: Command[RunClock]) -> ClockRun:
        """reservation.run_clock: the same, now and for one tenant, up to 500 spaces in the command's transaction."""
        now = datetime.now(UTC)
        done: Counter[str] = Counter()
        due = await spaces_due(connection, now, self._rules, tenant_id=command.tenant_id)
        for key in due[:SPACES_PER_COMMAND]:
            done.update(_kinds(await _settle_unless_busy(connection, key, self._rules)))
        pruned = await people.prune(connection, now - self._rules.keep_personal_data, now, tenant_id=command.tenant_id)
        return ClockRun(opened=done["opened"], no_shows=done["no_show"], completed=done["completed"], pruned=pruned)


async def _settle_unless_busy(connection: Connection, key: SpaceKey, rules: Rules) -> list[Step]:
    if not await try_lock_space(connection, *key):
        return []
    return await settle(connection, *key, datetime.now(UTC), rules)


def _kinds(steps: Iterable[Step]) -> list[str]:
    """What happened, by name: `opened`, `no_show`, `completed`, ..."""
    kinds: list[str] = []
    for step in steps:
        for event in step.events:
            match event:
                case ReservationOpened():
                    kinds.append("opened")
                case ReservationReleased(reason=reason):
                    kinds.append(reason)
    return kinds
