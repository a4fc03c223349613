"""The last events that passed this process, bounded in count and bytes. Pure.

The ring covers every position between its floor and its newest event: from there a client can go on without a gap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from api_gateway.live.announcement import Announcement
from api_gateway.live.position import FOLLOWED, Position, moved


class Ring:
    """Events with the position that the process had reached after each."""

    def __init__(self, *, count: int, size_bytes: int) -> None:
        self._count = count
        self._size_bytes = size_bytes
        self._entries: deque[tuple[Announcement, Position]] = deque()
        self._bytes = 0
        self.floor: Position = (0, 0)
        self.position: Position = (0, 0)

    def start_at(self, stream: int, sequence: int) -> None:
        """Begin (again) behind this sequence of one stream, with nothing of it remembered."""
        self._entries = deque(entry for entry in self._entries if entry[0].stream != stream)
        self._bytes = sum(len(entry[0].body) for entry in self._entries)
        self.floor = moved(self.floor, stream, sequence)
        self.position = moved(self.position, stream, sequence)

    def pass_by(self, stream: int, sequence: int) -> None:
        """A message of this stream that nobody is told of."""
        self.position = moved(self.position, stream, sequence)

    def append(self, announcement: Announcement) -> None:
        """Remember the newest event, and forget the oldest ones beyond the bounds."""
        self.position = moved(self.position, announcement.stream, announcement.sequence)
        self._entries.append((announcement, self.position))
        self._bytes += len(announcement.body)
        while len(self._entries) > self._count or self._bytes > self._size_bytes:
            forgotten, _ = self._entries.popleft()
            self._bytes -= len(forgotten.body)
            self.floor = moved(self.floor, forgotten.stream, forgotten.sequence)

    def covers(self, position: Position) -> bool:
        """Whether nothing after this position has been forgotten."""
        return all(position[stream] >= self.floor[stream] for stream in range(len(FOLLOWED)))

    def __iter__(self) -> Iterator[tuple[Announcement, Position]]:
        """Oldest first."""
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
