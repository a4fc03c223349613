"""A tenant's client of the event stream, which comes back wherever it was cut off.

In: a world and a town. Out: every event it read, in the ledger, in the order in which it read them.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec

from chaos.ledger import SeenEvent
from chaos.towns import Town
from chaos.world import World
from parkstream.gateway_client import ServerSentEvent, read_events
from stack.http_client import http_client

# Longer than the pause between two comments on a quiet stream, so that a dead connection is noticed and no other.
SILENT_SECONDS = 20.0
AGAIN_SECONDS = 0.2


class Follower:
    """Reads until cancelled; `opened` is set once the first stream stands."""

    def __init__(self, world: World, town: Town) -> None:
        self._world = world
        self._town = town
        self._dice = random.Random(f"follower/{world.shape.seed}/{town.number}")
        self.opened = asyncio.Event()
        self.position = ""
        self.versions: dict[str, int] = {}

    async def run(self) -> None:
        """For ever."""
        timeout = httpx.Timeout(5, read=SILENT_SECONDS)
        while True:
            async with http_client(timeout=timeout) as http:
                with contextlib.suppress(httpx.TransportError):
                    await self._read(http)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _read(self, http: httpx.AsyncClient) -> None:
        headers = {"X-API-Key": self._town.key, "Accept": "text/event-stream"}
        if self.position:
            headers["Last-Event-ID"] = self.position
        url = f"{self._dice.choice(self._world.gateway_urls)}/api/v6/events"
        async with http.stream("GET", url, headers=headers) as answer:
            if answer.status_code != httpx.codes.OK:
                return
            self.opened.set()
            async for event in read_events(self._places(answer.aiter_lines())):
                self._note(event)

    async def _places(self, lines: AsyncIterator[str]) -> AsyncIterator[str]:
        """The same lines. An id counts from the blank line behind it on, with or without an event, as in browsers."""
        named = self.position
        async for line in lines:
            if line.startswith("id:"):
                named = line.removeprefix("id:").strip()
            if not line:
                self.position = named
            yield line

    def _note(self, event: ServerSentEvent) -> None:
        ledger = self._world.ledger
        if event.type == "reset":
            ledger.resets += 1
            return
        body: dict[str, Any] = msgspec.json.decode(event.data)
        told = body.get("space") or body
        seen = SeenEvent(
            id=event.id,
            type=event.type,
            tenant_id=str(told.get("tenant_id", "")),
            space_id=str(told.get("space_id") or told.get("id") or ""),
            version=told.get("version") if event.type.startswith("space.") else None,
            reservation_id=body.get("reservation_id"),
        )
        ledger.events[self._town.number].append(seen)
        if seen.version is not None:
            self.versions[seen.space_id] = max(seen.version, self.versions.get(seen.space_id, 0))
