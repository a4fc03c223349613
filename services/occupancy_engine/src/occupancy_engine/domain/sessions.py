"""Where a frame stands in its device's life: new, late or a duplicate, and in which LoRaWAN session.

A session is known by its devAddr and by the session time of the first frame seen of it, which also orders sessions:
they do not overlap, so any frame's time is a valid place. (session, fCnt) orders all readings of a device. Gateways'
clocks are never used for order; ns_time is stamped by the network server. A frame without it has our receipt for its
time, which any delay makes later: such a frame ends a session only after a grace, so that a late one is not taken for
a re-join, and a re-joined device is not muted for longer than that.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum

import msgspec

WINDOW = 64
PAST_SESSIONS = 4
RESET_GRACE = timedelta(minutes=1)
UNTIMED_GRACE = timedelta(minutes=5)
_WINDOW_MASK = (1 << WINDOW) - 1


class Arrival(Enum):
    """What a frame is to its device. MAYBE_SEEN is older than the window: only a stored reading can tell."""

    NEWEST = "newest"
    LATE = "late"
    MAYBE_SEEN = "maybe_seen"
    DUPLICATE = "duplicate"


class Session(msgspec.Struct, frozen=True):
    """One LoRaWAN session: bit n of `seen` says that fCnt `highest` - n was heard; `highest_at` is its time."""

    dev_addr: str
    session_at: datetime
    highest: int
    seen: int
    highest_at: datetime


class Sessions(msgspec.Struct, frozen=True):
    """A device's session, and up to four before it, newest first."""

    current: Session | None = None
    past: tuple[Session, ...] = ()


class Frame(msgspec.Struct, frozen=True):
    """What order depends on. `timed` says that `at` is the network server's own time, not our receipt."""

    dev_addr: str
    f_cnt: int
    at: datetime
    timed: bool = True


class Placement(msgspec.Struct, frozen=True):
    """A frame's session and what it is there, and the device's sessions after it."""

    arrival: Arrival
    session_at: datetime
    sessions: Sessions


def place(sessions: Sessions, frame: Frame) -> Placement:
    """Find a frame's place, and remember it."""
    current = sessions.current
    if current is None:
        return _open(sessions, frame)
    if frame.dev_addr == current.dev_addr:
        return _place_in_same_address(sessions, current, frame)
    known = _find(sessions.past, frame.dev_addr)
    if known is None:
        return _open(sessions, frame) if frame.at >= current.session_at else _insert_older(sessions, frame)
    if _surely_after(frame, max(current.highest_at, known.highest_at)):
        # Nothing late can be newer than all we heard: the device joined again and got an address it had before.
        return _open(sessions, frame)
    return Placement(Arrival.MAYBE_SEEN, known.session_at, sessions)


def _place_in_same_address(sessions: Sessions, current: Session, frame: Frame) -> Placement:
    ahead = frame.f_cnt - current.highest
    if ahead > WINDOW and frame.timed and frame.at < current.session_at:
        # Far ahead and yet earlier than the session itself: left over from before the device was reset.
        known = _find(sessions.past, frame.dev_addr)
        if known is not None:
            return Placement(Arrival.MAYBE_SEEN, known.session_at, sessions)
        return _insert_older(sessions, frame)
    if ahead > 0:
        seen = ((current.seen << ahead) | 1) & _WINDOW_MASK if ahead < WINDOW else 1
        moved = Session(current.dev_addr, current.session_at, frame.f_cnt, seen, frame.at)
        return Placement(Arrival.NEWEST, current.session_at, Sessions(moved, sessions.past))
    if ahead < 0 and frame.timed and frame.at > current.highest_at + RESET_GRACE:
        # Behind what was heard and yet much later: the counter has started again without a new address.
        return _open(sessions, frame)
    if ahead > -WINDOW:
        bit = 1 << -ahead
        if current.seen & bit:
            return Placement(Arrival.DUPLICATE, current.session_at, sessions)
        marked = msgspec.structs.replace(current, seen=current.seen | bit)
        return Placement(Arrival.LATE, current.session_at, Sessions(marked, sessions.past))
    if ahead < -WINDOW and _surely_after(frame, current.highest_at):
        return _open(sessions, frame)
    return Placement(Arrival.MAYBE_SEEN, current.session_at, sessions)


def _open(sessions: Sessions, frame: Frame) -> Placement:
    session = Session(frame.dev_addr, frame.at, frame.f_cnt, 1, frame.at)
    past = () if sessions.current is None else (sessions.current, *sessions.past)[:PAST_SESSIONS]
    return Placement(Arrival.NEWEST, session.session_at, Sessions(session, past))


def _insert_older(sessions: Sessions, frame: Frame) -> Placement:
    older = Session(frame.dev_addr, frame.at, frame.f_cnt, 1, frame.at)
    past = tuple(sorted((*sessions.past, older), key=lambda session: session.session_at, reverse=True))[:PAST_SESSIONS]
    if older not in past:
        return Placement(Arrival.MAYBE_SEEN, older.session_at, sessions)
    return Placement(Arrival.LATE, older.session_at, Sessions(sessions.current, past))


def _surely_after(frame: Frame, moment: datetime) -> bool:
    return frame.at > (moment if frame.timed else moment + UNTIMED_GRACE)


def _find(past: tuple[Session, ...], dev_addr: str) -> Session | None:
    return next((session for session in past if session.dev_addr == dev_addr), None)
