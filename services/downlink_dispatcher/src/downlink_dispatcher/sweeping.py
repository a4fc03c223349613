"""The sweep: every display is looked at again and again, so that whatever was missed is made good.

In: the directories of spaces and devices, and the rows of displays and commands. Out: wishes that no event asked for,
commands whose time is over, states sent again that did not go out, alerts that are over. A round is one replica's (an
advisory lock), a page one transaction; a page that fails keeps no other from being swept.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import timedelta
from typing import Any

import structlog

from downlink_dispatcher import metrics
from downlink_dispatcher.domain.display import DisplayKey
from downlink_dispatcher.domain.truth import Rules
from downlink_dispatcher.feedback import Feedback
from downlink_dispatcher.settings import TruthSettings
from downlink_dispatcher.store import sweep as store
from downlink_dispatcher.store.clock import clock
from downlink_dispatcher.store.displays import lock_displays, wake
from downlink_dispatcher.wishing import Wishing
from parking_chassis.isolation import failure_of
from parking_chassis.postgres import DATABASE_AWAY, Connection, Pool
from parking_chassis.turns import end_turn, take_turn

log = structlog.get_logger()

TURN = "downlink.sweep"
SILENT_SECONDS = 60.0
PAGE = 500
# A display that does not answer may be one that never does.
SILENT_FOR = timedelta(hours=6)
GIVEN_UP_FOR = timedelta(days=1)
KEEP_ANSWERS = timedelta(days=7)
KEEP_HOUSE_SECONDS = 3_600.0
PRUNED_AT_ONCE = 1_000


class Sweep:
    """One replica's turns at it."""

    def __init__(self, pool: Pool, wishing: Wishing, rules: Rules, settings: TruthSettings) -> None:
        self._pool = pool
        self._wishing = wishing
        self._rules = rules
        self._transmit_seconds = settings.display_transmit_seconds
        self._keep = timedelta(days=settings.keep_downlinks_days)

    async def sweep(self) -> None:
        """One round, unless another replica is at it."""
        async with self._pool.acquire() as connection:
            if not await take_turn(connection, TURN, silent_seconds=SILENT_SECONDS):
                return
            try:
                with metrics.SWEEP_SECONDS.time():
                    await self._round(connection)
            finally:
                await end_turn(connection, TURN)

    async def _round(self, connection: Connection) -> None:
        await self._attempt(self._wish_anew(connection))
        for step in (self._expire, self._send_again, self._close_alerts):
            await self._attempt(_all_pages(connection, step))
        await self._attempt(self._wake_forgotten(connection))

    async def _attempt(self, work: Coroutine[Any, Any, None]) -> None:
        """What fails is told and tried in the next round; a database that is away ends this one."""
        failure = await failure_of(work)
        if isinstance(failure, DATABASE_AWAY):
            raise failure
        if failure is not None:
            metrics.SWEPT.labels("failed").inc()
            log.error("sweep_failed", exc_info=failure)

    async def _wish_anew(self, connection: Connection) -> None:
        """Events that were lost, devices that were bound since, spaces that are gone."""
        after = store.NOBODY
        while keys := await store.displays_after(connection, after, PAGE):
            await self._wish_page(connection, keys)
            after = keys[-1]

    async def _wish_page(self, connection: Connection, keys: Sequence[DisplayKey]) -> None:
        """Wish for a page; where one display is to blame that it cannot be, for each of it by itself."""
        failure = await failure_of(self._wish(connection, keys))
        if failure is None:
            return
        if isinstance(failure, DATABASE_AWAY) or len(keys) == 1:
            raise failure
        for key in keys:
            await self._attempt(self._wish_page(connection, [key]))

    async def _wish(self, connection: Connection, keys: Sequence[DisplayKey]) -> None:
        async with connection.transaction():
            metrics.SWEPT.labels("wished").inc(await self._wishing.wish_for_displays(connection, keys))

    async def _expire(self, connection: Connection) -> int:
        """Commands whose time is over; a state's display is sent to again, if it is there."""
        overdue = await store.overdue_commands(connection, PAGE)
        feedback = await self._hold(connection, {command.key for command in overdue})
        for command in await store.still_open(connection, overdue):
            feedback.expire(command)
        return await self._write(connection, feedback, "expired", len(overdue))

    async def _send_again(self, connection: Connection) -> int:
        """Class C displays hear all the time: what is not on air by now is lost, or waits for a gateway."""
        keys = await store.displays_not_on_air(connection, self._transmit_seconds, PAGE)
        feedback = await self._hold(connection, keys)
        for key in feedback.held:
            feedback.forget(key)
        return await self._write(connection, feedback, "sent_again", len(keys))

    async def _close_alerts(self, connection: Connection) -> int:
        """Displays that were taken off their spaces."""
        keys = await store.displays_at_rest(connection, GIVEN_UP_FOR, PAGE)
        feedback = await self._hold(connection, keys)
        for key in feedback.held:
            feedback.rest(key)
        return await self._write(connection, feedback, "at_rest", len(keys))

    async def _wake_forgotten(self, connection: Connection) -> None:
        async with connection.transaction():
            if found := await store.wake_forgotten(connection, SILENT_FOR):
                metrics.SWEPT.labels("forgotten").inc(found)
                log.warning("displays_forgotten", displays=found)
                await wake(connection)

    async def _hold(self, connection: Connection, keys: Iterable[DisplayKey]) -> Feedback:
        displays = await lock_displays(connection, keys)
        codecs = self._wishing.registry.displays
        return Feedback(displays, {}, codecs=codecs, rules=self._rules, now=await clock(connection))

    async def _write(self, connection: Connection, feedback: Feedback, what: str, found: int) -> int:
        await feedback.write(connection)
        feedback.count()
        metrics.SWEPT.labels(what).inc(found)
        return found

    async def keep_house(self) -> None:
        """Let go of what has been kept long enough."""
        async with self._pool.acquire() as connection:
            while await store.prune_commands(connection, self._keep, PRUNED_AT_ONCE) == PRUNED_AT_ONCE:
                pass
            await store.prune_answers(connection, KEEP_ANSWERS)


async def _all_pages(connection: Connection, step: Callable[[Connection], Coroutine[Any, Any, int]]) -> None:
    """Page after page, each in a transaction; a round is bounded, what is left over is the next one's."""
    for _ in range(1_000):
        async with connection.transaction():
            if await step(connection) < PAGE:
                return
