"""The live feed of one gateway process: every event once from the bus, then to all clients that want it.

In: the tails of SPACES and RESERVATIONS. Out: the ring, and frames in the subscriptions of the event's tenant. All in
one event loop and without awaiting in between, so that a client attached to the ring misses nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import msgspec
import structlog

from api_gateway import metrics
from api_gateway.identity.liveness import live_credentials
from api_gateway.live.announcement import (
    TYPE_HEADER,
    Announcement,
    PassedVersions,
    UnreadableEventError,
    read_announcement,
)
from api_gateway.live.places import Places
from api_gateway.live.position import FOLLOWED, RESERVATIONS, SPACES, EventIds, Position, furthest
from api_gateway.live.queries import list_restores
from api_gateway.live.ring import Ring
from api_gateway.live.subscription import EventFilter, Subscription
from api_gateway.live.tail import StreamTail
from parking_chassis.postgres import DATABASE_AWAY, Pool
from parking_chassis.pull_consumer import Delivery

if TYPE_CHECKING:
    from nats.aio.client import Client

    from api_gateway.settings import Settings

log = structlog.get_logger()

VERSIONS_REMEMBERED = 100_000
RETRY_SECONDS = 1.0
# Not migrated yet counts as away.
AWAY: tuple[type[BaseException], ...] = (
    *DATABASE_AWAY,
    asyncpg.UndefinedTableError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InvalidParameterValueError,  # the role does not exist yet
    asyncpg.InvalidCatalogNameError,
)


class Feed:
    """Subscribers attach to it; `run` keeps it going."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self._pool = pool
        self._settings = settings
        self._places = Places(pool)
        self._passed = PassedVersions(VERSIONS_REMEMBERED)
        self.ids = EventIds()
        self._open: set[Subscription] = set()
        self._is_ending = False
        self._by_tenant: defaultdict[UUID, set[Subscription]] = defaultdict(set)
        self._tails = [
            StreamTail(stream.name, partial(self._on_message, index), partial(self._on_start, index))
            for index, stream in enumerate(FOLLOWED)
        ]
        self.ring = Ring(count=settings.events_ring_count, size_bytes=settings.events_ring_bytes)

    @property
    def is_following(self) -> bool:
        """Whether both streams are followed now, and will be."""
        return not self._is_ending and all(tail.following for tail in self._tails)

    def stats(self) -> Mapping[str, object]:
        """Figures for /health."""
        return {
            "event_streams": len(self._open),
            "event_position": self.ids.of(self.ring.position),
            "events_remembered": len(self.ring),
        }

    async def check(self) -> str | None:
        """A health check: whether clients hear of what happens."""
        return None if self.is_following else "live events: the streams are not followed"

    async def run(self, client: Client) -> None:
        """Follow both streams, and end the streams of revoked keys and ended sessions, for ever."""
        self.ids = await self._learn_restores()
        async with asyncio.TaskGroup() as group:
            for tail in self._tails:
                group.create_task(tail.run(client))
            group.create_task(self._end_revoked())

    async def _learn_restores(self) -> EventIds:
        """Read once: a restore is made while no gateway runs."""
        while True:
            try:
                async with self._pool.acquire(timeout=self._settings.database_acquire_seconds) as connection:
                    return EventIds(await list_restores(connection))
            except AWAY:
                await asyncio.sleep(RETRY_SECONDS)

    def is_full_for(self, tenant_id: UUID) -> bool:
        """Whether the tenant has as many streams open as one may have."""
        limit = self._settings.events_streams_per_tenant
        return len(self._open) >= limit <= sum(one.filter.tenant_id == tenant_id for one in self._open)

    def open(self, event_filter: EventFilter, credential: str) -> Subscription:
        """A subscription that hears nothing until it is attached; it ends with its caller's credential."""
        subscription = Subscription(
            event_filter,
            credential,
            self.ids,
            count=self._settings.events_client_count,
            size_bytes=self._settings.events_client_bytes,
        )
        self._open.add(subscription)
        metrics.EVENT_STREAMS.set(len(self._open))
        return subscription

    def attach(self, subscription: Subscription, position: Position) -> Position | None:
        """Hand over what the ring holds after `position`, and then everything from now on.

        None when attached. When a portion is to be written first: the position behind it, to go on from; the
        subscription's bounds are for a slow client, not for one that has much to catch up on.
        """
        subscription.position = position
        for announcement, reached in self.ring:
            if subscription.has_portion:
                return subscription.position
            subscription.offer(announcement, reached)
            subscription.position = furthest(subscription.position, reached)
        self._by_tenant[subscription.filter.tenant_id].add(subscription)
        return None

    def close(self, subscription: Subscription) -> None:
        """The client is gone, or is sent away."""
        self._open.discard(subscription)
        metrics.EVENT_STREAMS.set(len(self._open))
        metrics.STREAM_ENDS.labels(subscription.ended or "client_gone").inc()
        tenant_id = subscription.filter.tenant_id
        self._by_tenant[tenant_id].discard(subscription)
        if not self._by_tenant[tenant_id]:
            del self._by_tenant[tenant_id]

    def end_all(self) -> None:
        """The process stops: every client resumes elsewhere, and nobody begins here."""
        self._is_ending = True
        for subscription in self._open:
            subscription.end("stopping")

    def reset_frame(self, why: str) -> bytes:
        """Tells a client that events are missing: read the state again, then go on from here."""
        data = msgspec.json.encode({"reason": why})
        return b"id: %b\nevent: reset\ndata: %b\n\n" % (self.ids.of(self.ring.position).encode(), data)

    async def place_reservation(self, announcement: Announcement) -> Announcement:
        """An event with its space's site and zone, where it does not name them itself."""
        if announcement.stream == SPACES:
            return announcement
        site_id, zone = await self._places.of_space(announcement.tenant_id, announcement.space_id)
        return msgspec.structs.replace(announcement, site_id=site_id, zone=zone)

    async def _on_message(self, stream: int, message: Delivery) -> None:
        sequence = message.stream_sequence
        headers = {TYPE_HEADER: (message.header(TYPE_HEADER.encode()) or b"").decode(errors="replace")}
        try:
            announcement = read_announcement(stream, sequence, headers, message.payload)
        except UnreadableEventError as error:
            log.warning("event_skipped", stream=FOLLOWED[stream].name, sequence=sequence, why=str(error))
            metrics.EVENTS_DROPPED.labels("unreadable").inc()
            self.ring.pass_by(stream, sequence)
            return
        metrics.EVENTS.labels(FOLLOWED[stream].name).inc()
        if self._passed.is_passed(announcement):
            metrics.EVENTS_DROPPED.labels("passed_version").inc()
            self.ring.pass_by(stream, sequence)
            return
        if stream == RESERVATIONS:
            announcement = await self.place_reservation(announcement)
        else:
            self._places.learn(announcement)
        self.ring.append(announcement)
        for subscription in self._by_tenant.get(announcement.tenant_id, ()):
            subscription.offer(announcement, self.ring.position)

    def _on_start(self, stream: int, sequence: int) -> None:
        """The tail stands at `sequence`; a stream that was made anew makes every position worthless."""
        is_anew = self.ring.position[stream] > sequence
        self.ring.start_at(stream, sequence)
        if is_anew:
            self._passed = PassedVersions(VERSIONS_REMEMBERED)
            for subscription in self._attached():
                subscription.position = self.ring.position
                subscription.put(self.reset_frame("the event stream was made anew"))

    def _attached(self) -> list[Subscription]:
        return [subscription for subscriptions in self._by_tenant.values() for subscription in subscriptions]

    async def _end_revoked(self) -> None:
        """One look at the credentials of all open streams every half second; an outage of the database ends none."""
        while True:
            await asyncio.sleep(self._settings.events_revocation_seconds)
            credentials = {subscription.credential for subscription in self._open}
            if not credentials:
                continue
            try:
                async with self._pool.acquire(timeout=self._settings.database_acquire_seconds) as connection:
                    live = await live_credentials(connection, credentials)
            except DATABASE_AWAY:
                continue
            for subscription in self._open:
                if subscription.credential in credentials - live:
                    subscription.end("revoked")
