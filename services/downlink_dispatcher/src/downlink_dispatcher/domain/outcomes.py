"""What becomes of a command: from where it is and what is told of it to where it is then.

queued -> sent -> transmitted -> acknowledged, failed, expired or superseded. What is told comes again and out of
order, since each event travels by itself: told twice it changes nothing twice, and a status is never taken back, unless
a command that was given up on went out after all.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from parking_contracts.downlink import DownlinkStatus

GIVEN_UP = frozenset({DownlinkStatus.EXPIRED, DownlinkStatus.SUPERSEDED, DownlinkStatus.CANCELLED})
ENDED = GIVEN_UP | {DownlinkStatus.ACKNOWLEDGED, DownlinkStatus.FAILED}
# What the network server's log says of an item that it will not send any more. Again the first would be too large.
TOO_LARGE = "DOWNLINK_PAYLOAD_SIZE"
DISCARDED = {
    TOO_LARGE: DownlinkStatus.FAILED,
    "EXPIRED": DownlinkStatus.EXPIRED,
    "F_CNT_DOWN": DownlinkStatus.FAILED,
}


class Standing(msgspec.Struct, frozen=True):
    """Where a command is. `noted` is the last thing that went wrong with it."""

    status: DownlinkStatus
    confirmed: bool = False
    transmitted_at: datetime | None = None
    noted: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """A step of a command's history: its status then, whether anything more is expected of it, and what to say.

    `is_wrong`: the display did not get it, or may not; `can_help`: the same once more may well arrive.
    """

    status: DownlinkStatus
    is_ended: bool
    detail: str = ""
    is_wrong: bool = False
    can_help: bool = True


def transmitted(command: Standing) -> Outcome | None:
    """A LoRaWAN gateway sent it. That is the end of one that the device need not confirm."""
    if command.transmitted_at is not None:
        return None
    if command.status in GIVEN_UP:
        return Outcome(DownlinkStatus.TRANSMITTED, True, f"after all: it was {command.status}")
    if command.status in ENDED:
        # The answer overtook the news that there was something to answer to.
        return Outcome(command.status, True, "was on air")
    return Outcome(DownlinkStatus.TRANSMITTED, not command.confirmed)


def acknowledged(command: Standing) -> Outcome | None:
    """The device confirmed it."""
    if command.status in {DownlinkStatus.ACKNOWLEDGED, DownlinkStatus.FAILED}:
        return None
    return Outcome(DownlinkStatus.ACKNOWLEDGED, True)


def unanswered(command: Standing) -> Outcome | None:
    """The device should have confirmed it, and did not. The network server does not repeat it."""
    if command.status in ENDED:
        return None
    return Outcome(DownlinkStatus.FAILED, True, "the device did not confirm it", is_wrong=True)


def shown(command: Standing) -> Outcome | None:
    """The display reports what it was told to show: better than a confirmation."""
    if command.status is not DownlinkStatus.TRANSMITTED:
        return None
    return Outcome(DownlinkStatus.ACKNOWLEDGED, True, "the display reports it")


def logged(command: Standing, code: str, description: str) -> Outcome | None:
    """The network server complains of it, and has dropped it or will try again."""
    if command.status in ENDED:
        return None
    detail = f"{code}: {description}" if description else code
    end = DISCARDED.get(code)
    if end is None:
        return Outcome(command.status, False, detail, is_wrong=True) if detail != command.noted else None
    if command.status is DownlinkStatus.TRANSMITTED and not command.confirmed:
        return None
    return Outcome(end, True, detail, is_wrong=True, can_help=code != TOO_LARGE)


def overdue(command: Standing) -> Outcome | None:
    """Its time to live is over."""
    if command.status in ENDED:
        return None
    match command.status:
        case DownlinkStatus.TRANSMITTED if not command.confirmed:
            return None
        case DownlinkStatus.TRANSMITTED:
            detail = "on air, and not confirmed within its time to live"
        case DownlinkStatus.SENT:
            detail = "at the network server, and not on air within its time to live"
        case _:
            detail = "not handed to the network server within its time to live"
    return Outcome(DownlinkStatus.EXPIRED, True, detail, is_wrong=True)
