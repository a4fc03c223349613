"""One publisher for each stream that the ingestor writes to.

A stream that is full refuses, and its publisher then publishes nothing else until it takes the message: so no two
streams share one. What the streams refuse is named by `refusal`, for /health.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from parking_chassis.windowed_publisher import WindowedPublisher
from parking_contracts.streams import DEAD_LETTERS, DEVICES, UPLINKS

if TYPE_CHECKING:
    from nats.aio.client import Client


class Publishers:
    """The way into UPLINKS (in atomic batches), DEVICES and DEAD_LETTERS."""

    def __init__(self, nats: Client) -> None:
        self.uplinks = WindowedPublisher(nats, atomic=UPLINKS.allow_atomic)
        self.devices = WindowedPublisher(nats, atomic=DEVICES.allow_atomic)
        self.dead_letters = WindowedPublisher(nats, atomic=DEAD_LETTERS.allow_atomic)
        self.by_stream = {
            UPLINKS.name: self.uplinks,
            DEVICES.name: self.devices,
            DEAD_LETTERS.name: self.dead_letters,
        }

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """Publish for ever."""
        return [publisher.run() for publisher in self.by_stream.values()]

    def unconfirmed(self) -> dict[str, int]:
        """Messages submitted and not yet durable, per stream."""
        return {stream: publisher.unconfirmed for stream, publisher in self.by_stream.items()}

    def refusal(self) -> str | None:
        """Which streams refuse, and why; None when all take what they are given."""
        refused = [f"{name} ({one.refused})" for name, one in self.by_stream.items() if one.refused]
        if not refused:
            return None
        return f"JetStream refuses messages of {', '.join(refused)}; meanwhile they are not acknowledged"
