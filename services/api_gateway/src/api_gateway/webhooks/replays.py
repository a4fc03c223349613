"""Replays carried out: the streams read again, each page's deliveries committed with the position behind it.

Whichever process gets there takes the next page, so a replay goes on where a killed process left it. It ends at the
place where the streams stood when it was asked for, or at the bound on its deliveries (`cut`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import structlog

from api_gateway.live.announcement import UnreadableEventError
from api_gateway.live.position import FOLLOWED, SPACES, Position, moved
from api_gateway.stored_messages import read_page
from api_gateway.webhooks.events import WebhookEvent, read_event
from api_gateway.webhooks.queries import arrivals, replays
from parking_chassis.direct_get import STORED_AT, StoredMessage
from parking_chassis.isolation import failure_of
from parking_chassis.postgres import Pool
from parking_contracts import subjects

if TYPE_CHECKING:
    from collections.abc import Callable

    from nats.aio.client import Client

log = structlog.get_logger()

PAGE = 200
RETRY_SECONDS = 2.0
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class Replays:
    """Works off what was asked for; `wake` when something was."""

    def __init__(self, pool: Pool, client: Client, *, limit: int, on_written: Callable[[], None]) -> None:
        self._pool = pool
        self._client = client
        self._limit = limit
        self._on_written = on_written
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look now rather than in a while."""
        self._wake.set()

    async def run(self) -> None:
        """Replay for ever; what fails is tried again, and holds no other replay up."""
        passed: list[UUID] = []
        while True:
            self._wake.clear()
            failure = await failure_of(self._round(passed))
            if failure is not None:
                log.warning("webhook_replay_waiting", error=repr(failure))
            passed.clear()
            try:
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _round(self, passed: list[UUID]) -> None:
        """Every replay that is waiting, a page of each in turn, until none is left."""
        while True:
            async with self._pool.acquire() as connection, connection.transaction():
                replay = await replays.next_running(connection, passed)
                if replay is None and not passed:
                    return
                if replay is not None:
                    passed.append(replay["id"])
                    await self._replay_page(connection, replay)
            if replay is None:
                passed.clear()

    async def _replay_page(
        self, connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record], replay: asyncpg.Record
    ) -> None:
        position = replay["spaces_position"], replay["reservations_position"]
        until = replay["spaces_until"], replay["reservations_until"]
        stream = next((index for index in range(len(FOLLOWED)) if position[index] < until[index]), None)
        if stream is None:
            await replays.advance(connection, replay, position, 0, "done")
            return
        found = await self._read(replay["tenant_id"], stream, position[stream] + 1)
        page = [message for message in found if message.sequence <= until[stream]]
        used = page[: max(0, self._limit - replay["deliveries"])]
        made = await _write(connection, replay, stream, used)
        if len(used) < len(page):
            reached, state = (used[-1].sequence if used else position[stream]), "cut"
        else:
            is_last = len(page) < len(found) or not found or found[-1].remaining == 0
            reached, state = (until[stream] if is_last else found[-1].sequence), "running"
        await replays.advance(connection, replay, moved(position, stream, reached), made, state)
        if made:
            self._on_written()

    async def _read(self, tenant_id: UUID, stream: int, sequence: int) -> Sequence[StoredMessage]:
        of_tenant = subjects.spaces_of(tenant_id) if stream == SPACES else subjects.reservations_of(tenant_id)
        return await read_page(self._client, FOLLOWED[stream].name, sequence=sequence, subject=of_tenant, limit=PAGE)


async def _write(
    connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record],
    replay: asyncpg.Record,
    stream: int,
    page: Sequence[StoredMessage],
) -> int:
    events = [event for message in page if (event := _read_stored_event(stream, message)) is not None]
    if not events:
        return 0
    return await arrivals.insert_deliveries(
        connection, events, endpoint_id=replay["endpoint_id"], replay=replay["number"]
    )


def _read_stored_event(stream: int, message: StoredMessage) -> WebhookEvent | None:
    try:
        return read_event(stream, message.sequence, message.headers, message.data, stored_at(message))
    except UnreadableEventError:
        return None


def stored_at(message: StoredMessage) -> datetime:
    """When the stream took the message in."""
    told = message.headers.get(STORED_AT)
    return datetime.fromisoformat(told) if told else datetime.now(UTC)


async def find_position(client: Client, tenant_id: UUID, since: datetime) -> Position:
    """The place in both streams before the tenant's first event of that time or later.

    Raises:
        NatsError: JetStream does not answer.
    """
    position = await last_position(client)
    since = min(max(since, _EARLIEST), datetime.now(UTC))  # JetStream takes the years far from ours for other ones
    for stream, of_tenant in enumerate((subjects.spaces_of(tenant_id), subjects.reservations_of(tenant_id))):
        found = await read_page(client, FOLLOWED[stream].name, sequence=0, subject=of_tenant, limit=1, since=since)
        if found:
            position = moved(position, stream, found[0].sequence - 1)
    return position


async def last_position(client: Client) -> Position:
    """Where both streams end now."""
    states = [(await client.jetstream().stream_info(stream.name)).state for stream in FOLLOWED]
    return int(states[0].last_seq), int(states[1].last_seq)


async def first_position(client: Client) -> Position:
    """Before the first event that both streams still hold."""
    states = [(await client.jetstream().stream_info(stream.name)).state for stream in FOLLOWED]
    return max(0, int(states[0].first_seq) - 1), max(0, int(states[1].first_seq) - 1)
