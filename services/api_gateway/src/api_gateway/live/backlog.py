"""Events older than the ring, read from JetStream page by page until the ring can take over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from api_gateway.live.announcement import PassedVersions, UnreadableEventError, read_announcement
from api_gateway.live.feed import Feed
from api_gateway.live.position import FOLLOWED, SPACES, Place, Position, moved
from api_gateway.live.subscription import Subscription
from api_gateway.stored_messages import read_page
from parking_contracts import subjects

if TYPE_CHECKING:
    from nats.aio.client import Client

PAGE = 500
VERSIONS_REMEMBERED = 10_000


async def catch_up(client: Client, feed: Feed, subscription: Subscription, after: Place) -> AsyncIterator[None]:
    """Attach the subscription behind `after`, without a gap; yields whenever frames wait for the client.

    What was already deleted from a stream cannot be made up for: the client gets a `reset` and goes on from now.

    Raises:
        NatsError: JetStream does not answer; the client comes back and resumes.
    """
    reader = _Reader(client, feed, subscription)
    subscription.position = position = after.position
    if after.is_undone:
        _reset(feed, subscription, "the platform was restored from a backup that was taken before this event id")
        return
    for stream in range(len(FOLLOWED)):
        if position[stream] > feed.ring.position[stream] and position[stream] > await reader.last_sequence(stream):
            _reset(feed, subscription, "this event id lies in the future: the event stream was made anew")
            return
    while True:
        if feed.ring.covers(position):
            behind = feed.attach(subscription, position)
            if behind is None:
                return
            position = behind
        for stream in range(len(FOLLOWED)):
            if position[stream] < feed.ring.floor[stream]:
                if await reader.is_lost(stream, position[stream]):
                    _reset(feed, subscription, "events after this id are no longer kept")
                    return
                position = await reader.read_page(stream, position)
        yield


def _reset(feed: Feed, subscription: Subscription, why: str) -> None:
    subscription.put(feed.reset_frame(why))
    feed.attach(subscription, feed.ring.position)


class _Reader:
    """Reads one tenant's part of the streams for one client."""

    def __init__(self, client: Client, feed: Feed, subscription: Subscription) -> None:
        self._client = client
        self._feed = feed
        self._subscription = subscription
        self._passed = PassedVersions(VERSIONS_REMEMBERED)
        tenant_id = subscription.filter.tenant_id
        self._subjects = (subjects.spaces_of(tenant_id), subjects.reservations_of(tenant_id))

    async def last_sequence(self, stream: int) -> int:
        state = (await self._client.jetstream().stream_info(FOLLOWED[stream].name)).state
        return int(state.last_seq)

    async def is_lost(self, stream: int, sequence: int) -> bool:
        """Whether messages after `sequence` are gone."""
        state = (await self._client.jetstream().stream_info(FOLLOWED[stream].name)).state
        return int(state.first_seq) > sequence + 1

    async def read_page(self, stream: int, position: Position) -> Position:
        """Queue the next page of one stream; the position behind it."""
        floor = self._feed.ring.floor[stream]
        found = await read_page(
            self._client,
            FOLLOWED[stream].name,
            sequence=position[stream] + 1,
            subject=self._subjects[stream],
            limit=PAGE,
        )
        for message in found:
            position = moved(position, stream, message.sequence)
            try:
                announcement = read_announcement(stream, message.sequence, message.headers, message.data)
            except UnreadableEventError:
                continue
            if stream == SPACES and self._passed.is_passed(announcement):
                continue
            self._subscription.offer(await self._feed.place_reservation(announcement), position)
        if not found or found[-1].remaining == 0:
            position = moved(position, stream, max(position[stream], floor))
        return position
