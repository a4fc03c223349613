"""What was sent and what was answered, written down by the load itself while it happens.

The checker believes nothing else: not a counter of the platform, not a row.
"""

from __future__ import annotations

import time
from collections import defaultdict
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

Slot = tuple[str, datetime]
"""A space and the hour from which somebody wants it."""


def now_us() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


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
    reservation_id: str | None = None


class Ledger(msgspec.Struct):
    """Everything. By deduplicationId, as the wire had it (see `mqtt_tap`): `acknowledged`, when the broker acknowledged
    an event to us, in microseconds since 1970; `delivered`, what it passed on to an ingestor; `taken`, whose delivery
    an ingestor acknowledged.

    `broker_kills`: from when to when a broker was dead whose PUBACK is not tied to its disk. `subscriptions`: when a
    connection of an ingestor began, and when the broker granted its subscription there.
    """

    tenants: list[UUID] = []
    uplinks: dict[tuple[str, int, int], SentUplink] = {}
    bookings: list[Booking] = []
    events: dict[int, list[SeenEvent]] = msgspec.field(default_factory=lambda: defaultdict(list))
    resets: int = 0
    acknowledged: dict[str, list[int]] = msgspec.field(default_factory=lambda: defaultdict(list))
    delivered: set[str] = set()
    taken: set[str] = set()
    broker_kills: list[tuple[int, int]] = []
    subscriptions: list[tuple[int, int]] = []
    began_us: int = msgspec.field(default_factory=now_us)

    def fate(self, sent: SentUplink) -> str:
        """What is known of a frame, for whoever looks for it; seconds since the nemesis began."""
        moments = [at_us for one in sent.ids for at_us in self.acknowledged.get(one, ())]
        said = ", ".join(f"{(at_us - self.began_us) / 1e6:+.2f} s" for at_us in sorted(moments)) or "never"
        went = "acknowledged by us" if sent.ids & self.taken else "yes" if sent.ids & self.delivered else "no"
        return f"{sent.key}: PUBACK {said}, delivered to us: {went}"

    def note_acknowledged(self, deduplication_id: str) -> None:
        """The broker has it, as it says."""
        self.acknowledged[deduplication_id].append(now_us())

    def note_subscribed(self, connected_us: int) -> None:
        """An ingestor listens, on a connection that began then."""
        self.subscriptions.append((connected_us, now_us()))

    def send(self, uplink: SentUplink, deduplication_id: str) -> None:
        """Note that a frame goes out, once more perhaps."""
        self.uplinks.setdefault(uplink.key, uplink).ids.add(deduplication_id)
