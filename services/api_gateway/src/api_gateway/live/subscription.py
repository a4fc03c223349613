"""One client of the live stream: what it wants to hear, where it stands, and what waits for it, bounded.

A client that is too slow for its bounds is closed: it comes back with its last event id and resumes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from uuid import UUID

from api_gateway.live.announcement import Announcement
from api_gateway.live.position import EventIds, Position, furthest


@dataclass(frozen=True, slots=True)
class EventFilter:
    """A tenant always; of it the sites, zones and event names given (none: all)."""

    tenant_id: UUID
    sites: frozenset[UUID] = field(default_factory=frozenset)
    zones: frozenset[str] = field(default_factory=frozenset)
    names: frozenset[str] = field(default_factory=frozenset)

    def matches(self, announcement: Announcement) -> bool:
        """Whether the client is to hear of it."""
        return (
            announcement.tenant_id == self.tenant_id
            and (not self.sites or announcement.site_id in self.sites)
            and (not self.zones or announcement.zone in self.zones)
            and (not self.names or announcement.name in self.names)
        )


PORTION_COUNT = 1000
PORTION_BYTES = 1 << 20


class Subscription:
    """Frames on their way to one client. `ended` holds the reason once it is over."""

    def __init__(
        self, event_filter: EventFilter, credential: str, ids: EventIds, *, count: int, size_bytes: int
    ) -> None:
        self.filter = event_filter
        self.credential = credential
        self.ids = ids
        self.position: Position = (0, 0)
        self.ended: str | None = None
        self.over = asyncio.Event()
        self.wake = asyncio.Event()
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._count = count
        self._size_bytes = size_bytes

    @property
    def has_portion(self) -> bool:
        """Whether enough waits to be written before more is queued from the past."""
        return len(self._frames) >= PORTION_COUNT or self._bytes >= PORTION_BYTES

    def offer(self, announcement: Announcement, reached: Position) -> None:
        """Queue an event that the client wants and has not passed; `reached` is the feed's position after it."""
        if announcement.sequence <= self.position[announcement.stream] or not self.filter.matches(announcement):
            return
        self.position = furthest(self.position, reached)
        self.put(b"id: %b\n%b" % (self.ids.of(self.position).encode(), announcement.body))

    def put(self, frame: bytes) -> None:
        """Queue a finished frame."""
        self._frames.append(frame)
        self._bytes += len(frame)
        if len(self._frames) > self._count or self._bytes > self._size_bytes:
            self.end("too_slow")
        self.wake.set()

    def take(self) -> bytes:
        """Everything that waits, as one piece."""
        self.wake.clear()
        waiting = b"".join(self._frames)
        self._frames.clear()
        self._bytes = 0
        return waiting

    def end(self, reason: str) -> None:
        """Close the stream; what still waits is dropped, the client resumes behind what it has got."""
        if self.ended is None:
            self.ended = reason
            self._frames.clear()
            self._bytes = 0
            self.over.set()
            self.wake.set()
