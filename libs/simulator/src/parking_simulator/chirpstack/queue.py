"""The downlink queue of one device, as ChirpStack's `device_queue_item` table behaves. Pure.

In: items. Out: the next one to send, and those that fell out on the way with the reason. First in, first out; an item
stays until a gateway has sent it (unconfirmed) or the device has acknowledged it (confirmed).
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

# The longest application payload by data rate 0 to 5 of EU868, without MAC commands.
MAX_PAYLOAD_BYTES: Final = (51, 51, 51, 115, 242, 242)

Dropped = Literal["unacknowledged", "expired", "too_large"]


class Enqueued(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asked to be queued: `at` on the monotonic clock, `wall` in seconds since 1970; the id is ours."""

    id: str
    dev_eui: str
    f_port: int
    data: bytes
    confirmed: bool
    flush: bool
    at: float
    wall: float
    via: Literal["grpc", "mqtt"] = "grpc"


class QueueItem(msgspec.Struct, kw_only=True):
    """One downlink. Times are seconds since 1970; `timeout_after` only for a pending one of class C."""

    id: str
    f_port: int
    data: bytes
    confirmed: bool = False
    expires_at: float | None = None
    is_pending: bool = False
    f_cnt_down: int | None = None
    timeout_after: float | None = None


class Next(msgspec.Struct):
    """What to do now: `item` to send, if any; `wait_until` when a pending one blocks the queue; what fell out."""

    item: QueueItem | None = None
    wait_until: float | None = None
    dropped: list[tuple[QueueItem, Dropped]] = msgspec.field(default_factory=list)


class DeviceQueue:
    """The items of one device, oldest first."""

    def __init__(self) -> None:
        self.items: list[QueueItem] = []

    def add(self, item: QueueItem) -> None:
        """Put an item at the end."""
        self.items.append(item)

    def flush(self) -> None:
        """Remove everything, pending or not; nobody is told."""
        self.items.clear()

    def remove(self, item: QueueItem) -> bool:
        """Take an item out; False when it is not there any more."""
        for place, one in enumerate(self.items):
            if one is item:
                del self.items[place]
                return True
        return False

    def has(self, item: QueueItem) -> bool:
        """Whether the item is still queued."""
        return any(one is item for one in self.items)

    def pending(self) -> QueueItem | None:
        """The confirmed item that was sent and waits for its ACK."""
        return next((one for one in self.items if one.is_pending), None)

    def next(self, now: float, max_bytes: int) -> Next:
        """Look from the head for an item that can be sent; what cannot, and never will, is removed.

        A pending item of class A has no time-out: it falls out at once, as nobody acknowledged it with the uplink that
        brought us here.
        """
        found = Next()
        while self.items:
            head = self.items[0]
            if head.is_pending:
                if head.timeout_after is not None and head.timeout_after > now:
                    found.wait_until = head.timeout_after
                    return found
                found.dropped.append((self.items.pop(0), "unacknowledged"))
            elif head.expires_at is not None and head.expires_at <= now:
                found.dropped.append((self.items.pop(0), "expired"))
            elif len(head.data) > max_bytes:
                found.dropped.append((self.items.pop(0), "too_large"))
            else:
                found.item = head
                return found
        return found
