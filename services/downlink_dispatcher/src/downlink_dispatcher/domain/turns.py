"""What goes next to one display: the head of its queue of free-form commands, else its state if that is ahead.

Free-form commands keep their order: one that is to be tried again later holds back those behind it, but not the state.
A state is sent if its bytes are not what the display shows already, so that A, B, A costs nothing while B was not sent;
and not right behind the last one, so that what flickers is sent once it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from downlink_dispatcher.domain.display import Display
from parking_contracts.downlink import DownlinkKind


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A command that has its row: in the queue, or a state that was tried before.

    `tried_at`: it may be at the network server already.
    """

    id: UUID
    kind: DownlinkKind
    version: int | None = None
    f_port: int
    payload: bytes
    confirmed: bool = False
    attempts: int = 0
    next_attempt_at: datetime | None = None
    tried_at: datetime | None = None
    expires_at: datetime

    @property
    def is_custom(self) -> bool:
        """Whether it is a client's own; else the display's state or count."""
        return self.kind == "custom"


class Send(msgspec.Struct, frozen=True):
    """This goes next. Without `waiting` it is the desired state, which gets a row."""

    waiting: Waiting | None = None


class Settle(msgspec.Struct, frozen=True):
    """What is desired is what is shown: nothing to send. Look again at `until`, if given."""

    until: datetime | None = None


class Rest(msgspec.Struct, frozen=True):
    """Nothing to send now. Look again at `until`; None: not before something is wished or queued."""

    until: datetime | None = None


Turn = Send | Settle | Rest


def next_turn(
    display: Display, head: Waiting | None, tried: Sequence[Waiting], now: datetime, spacing: timedelta
) -> Turn:
    """Decide.

    `head` is the oldest free-form command that waits, `tried` are rows of the display's states that were tried and not
    sent as far as anybody knows, the newest first. `spacing` is the shortest time between two states.
    """
    later = None
    if head is not None:
        if head.next_attempt_at is None or head.next_attempt_at <= now:
            return Send(head)
        later = head.next_attempt_at
    if display.desired_payload is None or display.desired_version <= display.sent_version:
        return Rest(later)
    # What was tried may have gone out just before a crash, and is shown then.
    is_shown_known = display.sent_version > 0 and all(state.tried_at is None for state in tried)
    if is_shown_known and display.shown_payload == display.desired_payload:
        return Settle(later)
    same = tried[0] if tried and _is_of(tried[0], display, now) else None
    earliest = display.sent_at + spacing if display.sent_at is not None else now
    if same is not None and same.next_attempt_at is not None:
        earliest = max(earliest, same.next_attempt_at)
    if earliest > now:
        return Rest(min(earliest, later) if later is not None else earliest)
    return Send(same)


def _is_of(state: Waiting, display: Display, now: datetime) -> bool:
    """Whether a row is of what is desired now. One whose time is over ends; the desired state gets another."""
    return (
        state.version == display.desired_version
        and state.payload == display.desired_payload
        and state.f_port == display.desired_f_port
        and state.expires_at > now
    )
