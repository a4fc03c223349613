"""What was sent and what was answered, written down by the load itself while it happens.

The checker believes nothing else: not a counter of the platform, not a row.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

Slot = tuple[str, datetime]
"""A space and the hour from which somebody wants it."""


class SentUplink(msgspec.Struct):
    """One frame of a device, however often it was delivered.

    `session` counts the device's joins. `occupied` is None for a frame that says nothing about it. `at_us` is when it
    was on the air, in microseconds since 1970, which the network server stamps unless `timed` is false. `ids` are the
    deduplicationIds it went out under.
    """

    tenant: int
    dev_eui: str
    session: int
    f_cnt: int
    occupied: bool | None
    at_us: int
    timed: bool = True
    ids: set[str] = msgspec.field(default_factory=set)

    @property
    def key(self) -> tuple[str, int, int]:
        """Device, session, fCnt."""
        return (self.dev_eui, self.session, self.f_cnt)


class Booking(msgspec.Struct):
    """One wish for a slot, asked under one idempotency key until there was an answer."""

    tenant: int
    key: str
    space_id: str
    starts_at: datetime
    ends_at: datetime
    asked_at: float
    attempts: int = 0
    answer: Literal["made", "taken", "unknown"] = "unknown"
    reservation_id: str | None = None
    answered_at: float | None = None
    detail: str = ""

    @property
    def slot(self) -> Slot:
        """What is wanted; two of them never overlap in part."""
        return (self.space_id, self.starts_at)


class SeenEvent(msgspec.Struct, frozen=True):
    """One event of the live stream, as a tenant's client read it. `version` is None for one of another noun."""

    id: str
    type: str
    tenant_id: str
    space_id: str
    version: int | None = None


class Ledger(msgspec.Struct):
    """Everything. `taken` are the deduplicationIds whose delivery by the broker we acknowledged (see `mqtt_tap`)."""

    tenants: list[UUID] = []
    uplinks: dict[tuple[str, int, int], SentUplink] = {}
    bookings: list[Booking] = []
    events: dict[int, list[SeenEvent]] = msgspec.field(default_factory=lambda: defaultdict(list))
    resets: int = 0
    taken: set[str] = set()

    def send(self, uplink: SentUplink, deduplication_id: str) -> None:
        """Note that a frame goes out, once more perhaps."""
        self.uplinks.setdefault(uplink.key, uplink).ids.add(deduplication_id)
