"""Whether a display shows what it should, by what it says of itself; and what follows when it does not.

A report counts only if it came after what was sent last was on air: what is older tells of what the display showed
before. A correction costs air time, so corrections keep a distance; a display that stays wrong after several of them
is stuck: somebody must look at it, and it is corrected seldom.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from downlink_dispatcher.domain.display import Display

# The network accepts a join 5 or 6 s after it was asked for; until then the device hears nothing.
JOIN_ACCEPT = timedelta(seconds=7)
STUCK_PAUSE = timedelta(minutes=10)
GIVEN_UP_PAUSE = timedelta(minutes=10)


class Rules(msgspec.Struct, frozen=True):
    """How often, and at what distance, a display is corrected before it counts as stuck."""

    attempts: int
    pause: timedelta


class Aired(msgspec.Struct, frozen=True):
    """The state that was sent to a display last. `at`: since when it is on air, if it is."""

    payload: bytes
    at: datetime | None


class Heard(msgspec.Struct, frozen=True):
    """A display's frame. `shows`: whether it shows what it should; None when the frame does not tell.

    `is_readable` frames tell something; others (MAC-only ones) only that the display is there. `is_activation`: it has
    just started, and shows nothing. `session_at` and `f_cnt` are its place in the device's life.
    """

    received_at: datetime
    session_at: datetime
    f_cnt: int
    shows: bool | None = None
    is_readable: bool = False
    is_activation: bool = False


class Verdict(StrEnum):
    """What a frame means. `gone`: the display has started anew, so that whatever it showed is lost."""

    RIGHT = "right"
    PLAUSIBLE = "plausible"
    WRONG = "wrong"
    GONE = "gone"
    TOO_OLD = "too_old"
    NOTHING = "nothing"


def is_news(display: Display, heard: Heard) -> bool:
    """Whether a frame is later than every one before it: one that comes again, or late, tells nothing."""
    if display.session_at is None or display.f_cnt is None:
        return True
    return (heard.session_at, heard.f_cnt) > (display.session_at, display.f_cnt)


def judge(display: Display, heard: Heard, aired: Aired | None) -> Verdict:
    """Compare a frame that is news with what the display should show."""
    is_anew = display.session_at is None or heard.session_at > display.session_at
    if display.desired is None:
        return Verdict.NOTHING
    if not _was_sent(display, aired):
        # What waits for the device to be let in need not wait any longer.
        return Verdict.GONE if is_anew else Verdict.NOTHING
    if aired is not None and (aired.at is None or heard.received_at < aired.at):
        return Verdict.TOO_OLD
    if heard.shows and not heard.is_activation:
        return Verdict.RIGHT
    if not is_current(display):
        return Verdict.NOTHING
    if is_anew and display.session_at is not None:
        return Verdict.GONE
    if heard.is_activation or heard.shows is False:
        return Verdict.WRONG
    return Verdict.PLAUSIBLE if heard.is_readable else Verdict.NOTHING


def is_current(display: Display) -> bool:
    """Whether the network server has what the display should show."""
    return display.desired is not None and display.sent_version == display.desired_version > 0


def _was_sent(display: Display, aired: Aired | None) -> bool:
    """Whether a report can be compared: the wish was sent, be it that a correction of it waits for its time."""
    if is_current(display):
        return True
    waits_to_mend = display.is_right is False and display.mended > 0 and display.claim is None
    return waits_to_mend and aired is not None and aired.payload == display.desired_payload


def confirmed(display: Display) -> Display:
    """It shows what it should; a correction that waited for its time is not needed any more."""
    return msgspec.structs.replace(
        display,
        is_right=True,
        sent_version=display.desired_version,
        shown_payload=display.desired_payload,
        mended=0,
        mended_at=None,
        alerted_at=None,
    )


def undisputed(display: Display) -> Display:
    """Nothing that it says is wrong, as far as it can say it."""
    return msgspec.structs.replace(display, is_right=None, mended=0, mended_at=None, alerted_at=None)


def corrected(display: Display, now: datetime, rules: Rules) -> Display:
    """It shows something else: once more, not too soon after the last time."""
    is_stuck = display.mended >= rules.attempts
    due_at = _at_a_distance(display, now, rules)
    if display.mended_at is not None:
        due_at = max(due_at, display.mended_at + (STUCK_PAUSE if is_stuck else rules.pause))
    return msgspec.structs.replace(
        forgotten(display, due_at),
        is_right=False,
        mended=display.mended + 1,
        mended_at=due_at,
        alerted_at=display.alerted_at or (now if is_stuck else None),
    )


def restarted(display: Display, now: datetime, rules: Rules) -> Display:
    """It has started anew: what it should show is sent once more, which is nobody's fault."""
    return msgspec.structs.replace(forgotten(display, _at_a_distance(display, now, rules)), is_right=None)


def joined(display: Display, at: datetime, aired: Aired | None, now: datetime) -> Display:
    """It asked to join: what it shows is lost, and what is sent before it is let in is not heard.

    The same join, told again, and one older than what is on air change nothing that is sent.
    """
    if display.joined_at is not None and at <= display.joined_at:
        return display
    display = msgspec.structs.replace(display, joined_at=at)
    if display.desired is None or (aired is not None and aired.at is not None and aired.at > at + JOIN_ACCEPT):
        return display
    return msgspec.structs.replace(forgotten(display, min(at, now) + JOIN_ACCEPT), is_right=None)


def lost(display: Display, sent_at: datetime | None, now: datetime, rules: Rules, *, can_help: bool) -> Display:
    """What it should show did not arrive: it is sent once more, not too soon.

    One that has not been heard since it was sent is switched off, or out of reach: it waits until it is heard. What
    cannot help now may help later.
    """
    is_there = display.heard_at is not None and (sent_at is None or display.heard_at >= sent_at)
    due_at: datetime | None = None
    if not can_help:
        display = msgspec.structs.replace(display, failed_at=display.failed_at or now)
        due_at = now + GIVEN_UP_PAUSE
    elif is_there:
        due_at = _at_a_distance(display, now, rules)
    return msgspec.structs.replace(forgotten(display, due_at), is_right=None)


def _at_a_distance(display: Display, now: datetime, rules: Rules) -> datetime:
    """The same may be sent again so soon: one that is right and wrong by turns must not drain its gateway's tokens."""
    return now if display.sent_at is None else max(now, display.sent_at + rules.pause)


def forgotten(display: Display, due_at: datetime | None) -> Display:
    """Nobody knows what it shows. What it should show is due then; never later than something else is."""
    if due_at is not None and display.due_at is not None:
        due_at = min(due_at, display.due_at)
    return msgspec.structs.replace(display, sent_version=0, shown_payload=None, due_at=due_at or display.due_at)


def heard(display: Display, frame: Heard, gateway_id: str | None, now: datetime) -> Display:
    """It was heard, through this LoRaWAN gateway; one that waited for that is due."""
    waits = display.desired is not None and display.sent_version < display.desired_version and display.due_at is None
    return msgspec.structs.replace(
        display,
        heard_at=max(frame.received_at, display.heard_at or frame.received_at),
        gateway_id=gateway_id or display.gateway_id,
        session_at=frame.session_at,
        f_cnt=frame.f_cnt,
        due_at=now if waits else display.due_at,
    )
