"""Which deliveries are on their way to JetStream, and which have just arrived there.

A broker repeats what it has not heard of: after a reconnect, and NATS's listener every few seconds. A repeat of a
message that is stored is acknowledged at once, and one of a message still on its way waits for that one. JetStream
would recognise both, but an atomic batch with a duplicate in it is refused as a whole.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Protocol

REMEMBERED_SECONDS = 60.0
REMEMBERED_AT_MOST = 25_000


class Receipt(Protocol):
    """What acknowledges one delivery to whoever sent it; equal to another one of the same delivery."""

    @property
    def is_open(self) -> bool:
        """Whether the sender still waits for it."""

    def acknowledge(self) -> None:
        """Tell the sender that the message is durable."""


class _Journey:
    __slots__ = ("receipts", "received_at")

    def __init__(self, received_at: datetime, receipts: list[Receipt]) -> None:
        self.received_at = received_at
        self.receipts = receipts


class InFlight:
    """The journeys of one source, oldest first, and two generations of the ids that arrived.

    A generation ends after a minute (less than JetStream's own memory of ids) or when it is full.
    """

    def __init__(self) -> None:
        self._journeys: dict[str, _Journey] = {}
        self._arrived: set[str] = set()
        self._arrived_before: set[str] = set()
        self._generation_began = 0.0
        self._empty = asyncio.Event()

    def __len__(self) -> int:
        return len(self._journeys)

    @property
    def oldest_received_at(self) -> datetime | None:
        """When the message that has been on its way for longest was received."""
        return next(iter(self._journeys.values())).received_at if self._journeys else None

    def depart(self, message_id: str, received_at: datetime, receipt: Receipt | None) -> bool:
        """Whether the message is to be published; a repeat is seen to here."""
        if message_id in self._arrived or message_id in self._arrived_before:
            if receipt is not None:
                receipt.acknowledge()
            return False
        if (journey := self._journeys.get(message_id)) is None:
            self._journeys[message_id] = _Journey(received_at, [] if receipt is None else [receipt])
            return True
        if receipt is not None and receipt not in journey.receipts:
            journey.receipts = [one for one in journey.receipts if one.is_open]
            journey.receipts.append(receipt)
        return False

    def arrive(self, message_id: str, now: float) -> None:
        """The message is durable: acknowledge every delivery of it. `now` is in seconds of any steady clock."""
        journey = self._journeys.pop(message_id, None)
        if journey is None:
            return
        if now - self._generation_began > REMEMBERED_SECONDS or len(self._arrived) >= REMEMBERED_AT_MOST:
            self._arrived_before, self._arrived = self._arrived, set()
            self._generation_began = now
        self._arrived.add(message_id)
        if not self._journeys:
            self._empty.set()
        for receipt in journey.receipts:
            receipt.acknowledge()

    async def all_arrived(self) -> None:
        """Wait until nothing is on its way."""
        while self._journeys:
            self._empty.clear()
            await self._empty.wait()
