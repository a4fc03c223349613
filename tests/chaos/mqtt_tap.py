"""What a broker delivered to an ingestor and the ingestor acknowledged, read off the wire.

In: the bytes of one connection, both ways. Out: the deduplicationIds of all events whose PUBACK went back, added to a
set. A broker that is killed may lose what it had acknowledged to ChirpStack; from its delivery on we answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

PUBLISH, PUBACK = 3, 4
DEDUPLICATION_ID = re.compile(rb'"deduplicationId":\s*"([^"]+)"')
Packet = tuple[int, int, bytes]
"""Type, flags, body."""


class MqttTap:
    """One connection of an ingestor."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self._waiting: dict[int, str] = {}
        self._up = _Packets()
        self._down = _Packets()

    def up(self, data: bytes) -> None:
        """From the ingestor: its PUBACKs."""
        for kind, _, body in self._up.cut(data):
            if kind == PUBACK and (event := self._waiting.pop(_number(body), None)) is not None:
                self._taken.add(event)

    def down(self, data: bytes) -> None:
        """From the broker: its PUBLISHes; those without an id (`txack`, `log`) are not counted."""
        for kind, flags, body in self._down.cut(data):
            if kind == PUBLISH and flags & 0b0110 and (found := DEDUPLICATION_ID.search(body)) is not None:
                topic_bytes = _number(body)
                self._waiting[_number(body[2 + topic_bytes :])] = found[1].decode()


class _Packets:
    """Cuts a stream of bytes into MQTT control packets."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def cut(self, data: bytes) -> Iterator[Packet]:
        self._rest += data
        while (ends := self._ends()) is not None:
            begin, end = ends
            head, body = self._rest[0], bytes(self._rest[begin:end])
            del self._rest[:end]
            yield head >> 4, head & 0x0F, body

    def _ends(self) -> tuple[int, int] | None:
        """Where the body of the first packet begins and ends, if all of it is there."""
        length = 0
        for place in range(1, min(5, len(self._rest))):
            length |= (self._rest[place] & 0x7F) << 7 * (place - 1)
            if not self._rest[place] & 0x80:
                end = place + 1 + length
                return (place + 1, end) if len(self._rest) >= end else None
        return None


def _number(body: bytes) -> int:
    return int.from_bytes(body[:2], "big")
