"""A client's event stream as an HTTP response (server-sent events), written the moment an event is there.

Ends when the client goes, when its subscription is ended (revoked key, too slow, stop), or when NATS cannot be read
for what it missed; in the last two the client comes back by itself with its `Last-Event-ID`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

from nats.errors import Error as NatsError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api_gateway.bus import Bus
from api_gateway.live.backlog import catch_up
from api_gateway.live.feed import Feed
from api_gateway.live.position import Place, furthest
from api_gateway.live.subscription import EventFilter, Subscription

COME_BACK_MILLISECONDS = 1000
LAST_WRITE_SECONDS = 1.0


class EventStream(Response):
    """One client's stream; it owns the subscription from the first byte to the last."""

    media_type = "text/event-stream"

    def __init__(
        self,
        feed: Feed,
        bus: Bus,
        *,
        event_filter: EventFilter,
        credential: str,
        after: Place | None,
        heartbeat_seconds: float,
    ) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._feed = feed
        self._bus = bus
        self._filter = event_filter
        self._credential = credential
        self._after = after
        self._heartbeat_seconds = heartbeat_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write until somebody ends it."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        subscription = self._feed.open(self._filter, self._credential)
        try:
            await _first_of(self._write(subscription, send), _until_gone(receive), _until_over(subscription))
        finally:
            self._feed.close(subscription)
        # A client that does not read blocks this too; the server then cuts the connection.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WRITE_SECONDS):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _write(self, subscription: Subscription, send: Send) -> None:
        async def write(chunk: bytes) -> None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

        await write(b"retry: %d\n: connected\n\n" % COME_BACK_MILLISECONDS)
        if self._after is None:
            self._feed.attach(subscription, self._feed.ring.position)
            await write(_place(subscription))
        else:
            try:
                async for _ in catch_up(await self._bus.opened(), self._feed, subscription, self._after):
                    await write(subscription.take())
            except (NatsError, TimeoutError):
                subscription.end("bus_away")
                return
        while True:
            try:
                async with asyncio.timeout(self._heartbeat_seconds):
                    await subscription.wake.wait()
            except TimeoutError:
                # Nothing waits, so the client has passed everything that the feed has.
                subscription.position = furthest(subscription.position, self._feed.ring.position)
                await write(b": heartbeat\n" + _place(subscription))
            else:
                await write(subscription.take())


def _place(subscription: Subscription) -> bytes:
    """A frame without an event: the client notes the id to resume from, and dispatches nothing."""
    return b"id: %b\n\n" % subscription.ids.of(subscription.position).encode()


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _until_over(subscription: Subscription) -> None:
    await subscription.over.wait()


async def _first_of(*work: Coroutine[Any, Any, None]) -> None:
    """Run all until one is done, then end the others; a failure of the first one counts."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
