"""Which events were acknowledged over MQTT, read off the wire: by an ingestor to the broker, or by the broker to us.

In: the bytes of one connection, both ways. Out: the deduplicationId of each event that went by and of each whose PUBACK
went back, and when a subscription was granted. A broker that is killed may lose what it had acknowledged to ChirpStack,
until somebody listens to it again; from its delivery on we answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

PUBLISH, PUBACK, SUBACK = 3, 4, 9
REFUSED_FROM = 0x80
DEDUPLICATION_ID = re.compile(rb'"deduplicationId":\s*"([^"]+)"')
Packet = tuple[int, int, bytes]
"""Type, flags, body."""


def _ignore(*_: object) -> None:
    pass


class MqttTap:
    """One connection. `publishes_up`: the client is the one who publishes, and `down` brings the PUBACKs.

    `on_published` hears of an event when it goes by, acknowledged or not; `on_subscribed`, when the broker grants a
    subscription. A resumed session is told by its SUBACK too, for an ingestor subscribes whenever it connects: a
    PUBLISH before that may come from the session's queue, and says nothing about the subscription.
    """

    def __init__(
        self,
        on_acknowledged: Callable[[str], object],
        *,
        publishes_up: bool = False,
        on_published: Callable[[str], object] = _ignore,
        on_subscribed: Callable[[], object] = _ignore,
    ) -> None:
        self._on_acknowledged = on_acknowledged
        self._on_published = on_published
        self._on_subscribed = on_subscribed
        self._waiting: dict[int, str] = {}
        published, answered = _Packets(), _Packets()
        self.up = self._published(published) if publishes_up else self._answered(answered)
        self.down = self._answered(answered) if publishes_up else self._published(published)

    def _answered(self, packets: _Packets) -> Callable[[bytes], None]:
        def hear(data: bytes) -> None:
            for kind, _, body in packets.cut(data):
                if kind == PUBACK and (event := self._waiting.pop(_number(body), None)) is not None:
                    self._on_acknowledged(event)

        return hear

    def _published(self, packets: _Packets) -> Callable[[bytes], None]:
        """Events without an id (`txack`, `log`) are not counted."""

        def hear(data: bytes) -> None:
            for kind, flags, body in packets.cut(data):
                if kind == PUBLISH and flags & 0b0110 and (found := DEDUPLICATION_ID.search(body)) is not None:
                    topic_bytes = _number(body)
                    event = self._waiting[_number(body[2 + topic_bytes :])] = found[1].decode()
                    self._on_published(event)
                elif kind == SUBACK and body[-1] < REFUSED_FROM:  # one topic each, so that the last byte is its answer
                    self._on_subscribed()

        return hear


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
