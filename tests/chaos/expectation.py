"""What should have come of the ledger: a model of its own, too simple to be wrong, that shares nothing with the engine.

In: the ledger, and readings as they are stored. Out: which reading is which frame, the stays and the last state of each
device as an in-order run would have them. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from chaos.evidence import Reading
from chaos.ledger import Ledger, SentUplink

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
UNWRITTEN_US = 5_000_000
FrameKey = tuple[str, int, int]
"""Device, session, fCnt."""
Place = tuple[int, int]
"""Session, fCnt."""
COLOURS = {"free": "00FF00", "occupied": "FF0000", "reserved": "FFFF00", "maintenance": "FFA500", "unknown": "0000FF"}
WORDS = {"free": "AVAILABLE", "occupied": "OCCUPIED", "reserved": "RESERVED"}


def microseconds(moment: datetime) -> int:
    """Since 1970."""
    return (moment - EPOCH) // MICROSECOND


def is_brokers_loss(ledger: Ledger, sent: SentUplink) -> bool:
    """Whether a killed broker had acknowledged a frame shortly before, or before we were back, and it never came to us.

    Mosquitto writes every second; what it acknowledged earlier than some seconds before its death is ours to find. So
    is what it acknowledged after an ingestor had subscribed to it again, and before that whatever it passed on to us:
    it lives, and must deliver that again until we have acknowledged it.
    """
    if not ledger.broker_kills or sent.ids & ledger.taken:
        return False
    moments = [at_us for one in sent.ids for at_us in ledger.acknowledged.get(one, ())]
    delivered = bool(sent.ids & ledger.delivered)
    for died, lives in ledger.broker_kills:
        # What it said last is read off the wire a little after its death, and never after it lives again.
        ends = lives if delivered else _heard_again(ledger, died, lives)
        if any(died - UNWRITTEN_US <= at_us < ends for at_us in moments):
            return True
    return False


def _heard_again(ledger: Ledger, died: int, lives: int) -> int:
    """When the first ingestor had subscribed to the broker that was started after a kill.

    A connection from before the kill is none with that broker, however late its last bytes are read. While nobody has
    subscribed, this is when it was started: an ingestor that never comes back excuses nothing.
    """
    return min((granted for connected, granted in ledger.subscriptions if connected >= died), default=lives)


class Stay(msgspec.Struct, frozen=True):
    """A stay by the frames that began and ended it; times in microseconds, None where no clock is to be believed."""

    arrived: Place
    departed: Place | None
    arrived_us: int | None
    departed_us: int | None


class Match(msgspec.Struct):
    """Which stored reading is which frame of the ledger.

    `sessions` gives the ledger's session for a device and the session time it is stored under; `torn` names sessions
    that are stored as two, or two as one.
    """

    stored: Counter[FrameKey] = msgspec.field(default_factory=Counter)
    sessions: dict[tuple[str, datetime], int] = {}
    invented: list[Reading] = []
    torn: list[str] = []


def match(ledger: Ledger, readings: Sequence[Reading]) -> Match:
    """By device, fCnt and the instant on air; a frame without that instant by its neighbours of the same session."""
    by_instant = {(sent.dev_eui, sent.f_cnt, sent.at_us): sent for sent in ledger.uplinks.values() if sent.timed}
    found = Match()
    later: list[Reading] = []
    for reading in readings:
        sent = by_instant.get((reading.dev_eui, reading.f_cnt, microseconds(reading.occurred_at)))
        if sent is None:
            later.append(reading)
            continue
        found.stored[sent.key] += 1
        place = (reading.dev_eui, reading.session_at)
        if found.sessions.setdefault(place, sent.session) != sent.session:
            found.torn.append(f"{sent.key} is stored in session {found.sessions[place]} ({reading.session_at})")
    for reading in later:
        session = found.sessions.get((reading.dev_eui, reading.session_at))
        untimed = None if session is None else ledger.uplinks.get((reading.dev_eui, session, reading.f_cnt))
        if untimed is None or untimed.timed:
            found.invented.append(reading)
        else:
            found.stored[untimed.key] += 1
    times = Counter((eui, session) for (eui, _), session in found.sessions.items())
    found.torn += [f"session {session} of {eui} is stored as {n}" for (eui, session), n in times.items() if n > 1]
    return found


def in_order(frames: Iterable[SentUplink]) -> dict[str, list[SentUplink]]:
    """What each device said about its space, in the order in which it said it."""
    said: defaultdict[str, list[SentUplink]] = defaultdict(list)
    for frame in frames:
        if frame.occupied is not None:
            said[frame.dev_eui].append(frame)
    for statements in said.values():
        statements.sort(key=lambda frame: (frame.session, frame.f_cnt))
    return said


def stays_of(statements: Sequence[SentUplink]) -> list[Stay]:
    """From each first "occupied" to the first "free" after it."""
    stays: list[Stay] = []
    began: SentUplink | None = None
    for frame in statements:
        if frame.occupied and began is None:
            began = frame
        elif not frame.occupied and began is not None:
            stays.append(_stay(began, frame))
            began = None
    return [*stays, _stay(began, None)] if began is not None else stays


def _stay(began: SentUplink, ended: SentUplink | None) -> Stay:
    return Stay(
        arrived=(began.session, began.f_cnt),
        departed=(ended.session, ended.f_cnt) if ended else None,
        arrived_us=began.at_us if began.timed else None,
        departed_us=ended.at_us if ended and ended.timed and began.timed else None,
    )


def shown_on(family: str, state: str) -> str:
    """What a display of this family shows for a state, by the default policy; see `double.seen`."""
    return WORDS.get(state, "UNKNOWN") if family == "heltec" else COLOURS[state]
