"""Downlinks on their way to the network server: claimed, handed over side by side, and recorded.

In: displays that are due, by NOTIFY, by their own time and by a poll behind both. Out: items in the network server's
queue, and what came of them. Three loops that do not wait for each other: one claims as much as there is room for, each
claim is handed over by a task of its own, and one records whatever has come back. Any number of processes do this side
by side; the database shares the work out among them.

While the network server is away one downlink at a time is tried, to see whether it is back: everything else waits
untouched, so that an outage costs nothing and ends with what is desired then.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import structlog

from downlink_dispatcher.claiming import Claim, Round, claim_due
from downlink_dispatcher.domain.rules import SendingRules
from downlink_dispatcher.network.transport import DeviceDeniedError, EnqueueFailedError, NetworkAwayError, Transport
from downlink_dispatcher.recording import Handed, Outcome, Refused, Waits, record
from downlink_dispatcher.store.displays import CHANNEL, ask
from downlink_dispatcher.store.results import is_known_item
from parking_chassis.isolation import failure_of
from parking_chassis.postgres import DATABASE_AWAY, Pool, listening

log = structlog.get_logger()

POLL_SECONDS = 1.0
RETRY_SECONDS = 1.0
DENIED = timedelta(seconds=60)
LONGEST_PAUSE_SECONDS = 5.0
# A tenant reads these beside his downlink; what exactly is wrong is the operator's to know, and in the log.
POSTPONED = "the platform cannot look up where this goes; it waits until it can"
BROKEN = "the platform could not hand this over: an error of its own, which its log explains"
# Nobody waits for a record: what comes back within this is one transaction.
GATHER_SECONDS = 0.05


class Sender:
    """One process's share of what is to be sent; `at_once` downlinks are under way at most."""

    def __init__(self, pool: Pool, transport: Transport, rules: SendingRules, *, at_once: int) -> None:
        self._pool = pool
        self._transport = transport
        self._rules = rules
        self._at_once = at_once
        self._under_way: set[asyncio.Task[None]] = set()
        self._outcomes: list[tuple[Claim, Outcome]] = []
        self._due = asyncio.Event()
        self._came_back = asyncio.Event()
        self._wants_room = False
        self._stopping = False
        self._is_drained = False
        # By the loop's clock: while the network server is away, when to try the next one; and when the next display is
        # due that this process has put off. What others put off is theirs, and the poll's.
        self._paused_until: float | None = None
        self._next_due_at: float | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Send until the service stops; what is under way then is finished and recorded."""
        async with asyncio.TaskGroup() as group:
            listening = group.create_task(self._patiently(self._listen))
            recording = group.create_task(self._patiently(self._record))
            claiming = group.create_task(self._patiently(self._claim))
            await stop.wait()
            self._stopping = True
            self._due.set()
            await claiming
            await asyncio.gather(*self._under_way)
            self._is_drained = True
            self._came_back.set()
            await recording
            listening.cancel()

    async def _patiently(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` until it ends by itself: a database that is away is waited for, and anything else is told."""
        while (failure := await failure_of(work())) is not None:
            if not isinstance(failure, DATABASE_AWAY):
                log.error("sender_failed", exc_info=failure)
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self) -> None:
        async with self._pool.acquire() as connection, listening(connection, CHANNEL, self._on_notify):
            while True:
                await ask(connection)
                self._due.set()
                await asyncio.sleep(POLL_SECONDS)

    def _on_notify(self, *_: object) -> None:
        self._due.set()

    async def _claim(self) -> None:
        while not self._stopping:
            self._due.clear()
            room = self._room()
            round_ = await self._claim_round(room) if room else Round()
            for claim in round_.claims:
                task = asyncio.create_task(self._hand_over(claim))
                self._under_way.add(task)
                task.add_done_callback(self._on_handed_over)
            self._note_due(round_.next_due_seconds)
            self._wants_room = not self._room()
            if not round_.is_more or self._wants_room:
                await self._until_due()

    def _room(self) -> int:
        """How many more may be under way now."""
        if self._paused_until is None:
            return self._at_once - len(self._under_way)
        return 0 if self._under_way or self._pause_seconds() > 0 else 1

    def _pause_seconds(self) -> float:
        now = asyncio.get_running_loop().time()
        return max(0.0, self._paused_until - now) if self._paused_until is not None else 0.0

    async def _claim_round(self, room: int) -> Round:
        async with self._pool.acquire() as connection, connection.transaction():
            return await claim_due(connection, self._rules, room)

    def _note_due(self, seconds: float | None) -> bool:
        """Remember when a display is due that was put off; whether that is sooner than any other."""
        if seconds is None:
            return False
        at = asyncio.get_running_loop().time() + seconds
        if self._next_due_at is not None and self._next_due_at <= at:
            return False
        self._next_due_at = at
        return True

    async def _until_due(self) -> None:
        """Wait until something is due, or there is room for it again; every second it is looked for anyhow."""
        now = asyncio.get_running_loop().time()
        moments = [now + POLL_SECONDS]
        if self._next_due_at is not None:
            moments.append(self._next_due_at)
        if self._pause_seconds() > 0:
            moments.append(now + self._pause_seconds())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(min(moments)):
                await self._due.wait()
        if self._next_due_at is not None and self._next_due_at <= asyncio.get_running_loop().time():
            self._next_due_at = None

    async def _hand_over(self, claim: Claim) -> None:
        """Hand a downlink over and keep what came of it; nothing that goes wrong here is another downlink's trouble."""
        handed: list[Handed] = []

        async def hand_over() -> None:
            handed.append(await self._enqueue(claim))

        failure = await failure_of(hand_over())
        outcome = handed[0] if failure is None else outcome_of(failure)
        self._note(failure)
        self._outcomes.append((claim, outcome))
        self._came_back.set()

    async def _enqueue(self, claim: Claim) -> Handed:
        if claim.row.tried_at is not None and (found := await self._transport.find(claim.item)) is not None:
            async with self._pool.acquire() as connection:
                is_another = await is_known_item(connection, claim.display.key, found)
            if not is_another:
                return Handed(found, is_adopted=True)
        return Handed(await self._transport.enqueue(claim.item))

    def _note(self, failure: Exception | None) -> None:
        """Pause while the network server is away; whatever else it answers, it is there."""
        if isinstance(failure, NetworkAwayError):
            pause = min(failure.retry_seconds, LONGEST_PAUSE_SECONDS)
            self._paused_until = asyncio.get_running_loop().time() + pause
        elif not isinstance(failure, DATABASE_AWAY):
            self._paused_until = None

    def _on_handed_over(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        if self._wants_room:
            self._due.set()

    async def _record(self) -> None:
        while not self._is_drained or self._outcomes:
            if not self._outcomes:  # there are some when the database was away
                await self._came_back.wait()
                await asyncio.sleep(GATHER_SECONDS)
            self._came_back.clear()
            while self._outcomes:
                count = len(self._outcomes)
                await self._record_together(self._outcomes[:count])
                del self._outcomes[:count]

    async def _record_together(self, outcomes: Sequence[tuple[Claim, Outcome]]) -> None:
        failure = await failure_of(self._record_transaction(outcomes))
        if isinstance(failure, DATABASE_AWAY):
            raise failure
        if failure is None:
            return
        if len(outcomes) == 1:
            # Nobody may hold up the others: its claim ends by itself, and then it is tried anew.
            log.error("outcome_lost", dev_eui=outcomes[0][0].display.dev_eui, exc_info=failure)
            return
        for one in outcomes:
            await self._record_together([one])

    async def _record_transaction(self, outcomes: Sequence[tuple[Claim, Outcome]]) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            seconds = await record(connection, outcomes, self._rules)
        if self._note_due(seconds):
            self._due.set()  # the claiming loop waits for a later moment


def outcome_of(failure: Exception) -> Outcome:
    """What it means for a downlink that it was not handed over."""
    match failure:
        case NetworkAwayError(retry_seconds=seconds):
            pause = timedelta(seconds=min(seconds, LONGEST_PAUSE_SECONDS))
            return Waits(str(failure), pause, is_at_server=True)
        case DeviceDeniedError():
            # Many may be denied at once: they come back one after the other, or they would keep the others waiting.
            return Waits(str(failure), DENIED * random.uniform(1, 2), is_at_server=False)  # noqa: S311  jitter
        case EnqueueFailedError(is_at_server=is_at_server):
            return Refused(str(failure), is_at_server)
        case failure if isinstance(failure, DATABASE_AWAY):
            log.warning("sending_postponed", error=repr(failure))
            return Waits(POSTPONED, timedelta(seconds=RETRY_SECONDS), is_at_server=True)
    log.error("transport_failed", exc_info=failure)
    return Refused(BROKEN, is_at_server=True)
