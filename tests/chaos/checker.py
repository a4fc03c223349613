"""The difference between what should be and what is: findings, each with examples. Pure.

In: the `Evidence` of a round. Out: `Finding`s; none means that every promise was kept. Each check is a function that
yields its own, so that a test can damage one thing and see just that found.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

import msgspec

from chaos.evidence import ChangeRow, Evidence
from chaos.expectation import FrameKey, Match, Stay, in_order, is_brokers_loss, match, microseconds, shown_on, stays_of
from chaos.ledger import SeenEvent, Slot

EXAMPLES = 5
LEAD = timedelta(minutes=15)  # as shipped
CREATED = "reservation.created"


class Finding(msgspec.Struct, frozen=True):
    """One promise that was broken, how often, and where."""

    kind: str
    what: str
    count: int
    examples: tuple[str, ...] = ()


class Verdict(msgspec.Struct):
    """All findings, and what the broker alone lost: PUBACKed by it, and never delivered to us."""

    findings: list[Finding]
    broker_lost: list[FrameKey]


def finding(kind: str, what: str, found: Sequence[object]) -> Iterable[Finding]:
    """A finding, unless nothing was found."""
    if found:
        yield Finding(kind, what, len(found), tuple(str(one) for one in found[:EXAMPLES]))


def check(evidence: Evidence) -> Verdict:
    """Everything that is lost, duplicated, reordered, double-booked, leaked or unresolved."""
    matched = match(evidence.ledger, evidence.readings)
    lost, broker_lost = _missing(evidence, matched)
    findings = [
        *finding("lost", "uplinks that were acknowledged and are no readings", _fates(evidence, lost)),
        *_readings(matched),
        *_stays(evidence, matched, set(lost) | set(broker_lost)),
        *_changes(evidence, matched),
        *_published(evidence),
        *_displays(evidence),
        *_bookings(evidence),
        *_events(evidence),
        *_tenants(evidence),
        *_left_overs(evidence),
    ]
    return Verdict(findings, broker_lost)


def _fates(evidence: Evidence, lost: Sequence[FrameKey]) -> list[str]:
    return [evidence.ledger.fate(evidence.ledger.uplinks[key]) for key in lost]


def _missing(evidence: Evidence, matched: Match) -> tuple[list[FrameKey], list[FrameKey]]:
    """Lost by us, and lost by a broker before it delivered to us."""
    lost: list[FrameKey] = []
    broker_lost: list[FrameKey] = []
    for key, sent in evidence.ledger.uplinks.items():
        if key not in matched.stored:
            (broker_lost if is_brokers_loss(evidence.ledger, sent) else lost).append(key)
    return lost, broker_lost


def _readings(matched: Match) -> Iterator[Finding]:
    repeated = [f"{key} {times} times" for key, times in matched.stored.items() if times > 1]
    yield from finding("duplicated", "uplinks that are readings more than once", repeated)
    yield from finding("invented", "readings of no uplink", matched.invented)
    yield from finding("reordered", "LoRaWAN sessions that were torn or mixed", matched.torn)


def _stays(evidence: Evidence, matched: Match, missing: set[FrameKey]) -> Iterator[Finding]:
    """Stays, and the last state of each space, against the in-order run of what is there."""
    said = in_order(sent for key, sent in evidence.ledger.uplinks.items() if key not in missing)
    stored: defaultdict[str, list[Stay]] = defaultdict(list)
    strange = []
    for row in evidence.stays:
        arrived = matched.sessions.get((row.dev_eui, row.arrived[0]))
        departed = matched.sessions.get((row.dev_eui, row.departed[0])) if row.departed else None
        if arrived is None or (row.departed is not None and departed is None):
            strange.append(row)
            continue
        stored[row.dev_eui].append(
            Stay(
                (arrived, row.arrived[1]),
                (departed, row.departed[1]) if row.departed is not None and departed is not None else None,
                microseconds(row.arrived_at),
                microseconds(row.departed_at) if row.departed_at else None,
            )
        )
    yield from finding("invented", "stays of no reading", strange)
    different = []
    for eui in said.keys() | stored.keys():
        expected, found = stays_of(said.get(eui, [])), sorted(stored.get(eui, []), key=lambda stay: stay.arrived)
        if len(expected) != len(found) or not all(map(_is_same, expected, found)):
            different.append(f"{eui}: {_first_difference(expected, found)}")
    yield from finding("reordered", "devices whose stays differ from the in-order run", different)
    wrong, reserved = [], _reserved(evidence)
    for space in evidence.spaces:
        statements = said.get(space.sensor_eui or "")
        vacant = "reserved" if space.space_id in reserved else "free"
        expected_state = "occupied" if statements and statements[-1].occupied else vacant
        if statements and space.state != expected_state:
            wrong.append(f"{space.space_id} is {space.state} ({space.layer}) and should be {expected_state}")
    yield from finding("reordered", "spaces that do not show what their sensor said last, or who booked them", wrong)


def _reserved(evidence: Evidence) -> set[str]:
    """Spaces whose reservation's window is open."""
    now = evidence.gathered_at
    active = (row for row in evidence.reservations if row.status == "active")
    return {row.space_id for row in active if row.starts_at - LEAD <= now < row.ends_at}


def _is_same(expected: Stay, found: Stay) -> bool:
    """Places exactly, times where a clock is to be believed; a departure is never before its arrival."""
    if (expected.arrived, expected.departed) != (found.arrived, found.departed):
        return False
    if expected.arrived_us not in {None, found.arrived_us}:
        return False
    departed = expected.departed_us and max(expected.departed_us, expected.arrived_us or 0)
    return departed in {None, found.departed_us}


def _first_difference(expected: Sequence[Stay], found: Sequence[Stay]) -> str:
    for one, other in itertools.zip_longest(expected, found):
        if one is None or other is None or not _is_same(one, other):
            return f"expected {one}, found {other} ({len(expected)} and {len(found)} stays)"
    return ""


def _changes(evidence: Evidence, matched: Match) -> Iterator[Finding]:
    """What was shown: no version twice or left out, each from what was shown before, and none by a late uplink."""
    by_space: defaultdict[str, list[ChangeRow]] = defaultdict(list)
    for change in evidence.changes:
        by_space[change.space_id].append(change)
    gaps, broken, late, unknown = [], [], [], []
    frames = {(sent.dev_eui, sent.f_cnt, sent.at_us): sent for sent in evidence.ledger.uplinks.values() if sent.timed}
    for space in evidence.spaces:
        changes = sorted(by_space[space.space_id], key=lambda change: change.version)
        versions = [change.version for change in changes]
        if versions != list(range(2, space.version + 1)):
            gaps.append(f"{space.space_id}: {_around_gap(versions)}, the space has {space.version}")
        for before, after in itertools.pairwise(changes):
            if after.previous != before.state or after.changed_at < before.changed_at:
                broken.append(f"{before} and {after}")
        causes = [frames.get(key) for change in changes if (key := _cause(change)) is not None]
        places = [(sent.session, sent.f_cnt) for sent in causes if sent is not None]
        late += [f"{space.sensor_eui}: {b} after {a}" for a, b in itertools.pairwise(places) if b <= a]
        unknown += [change for change in changes[1:] if change.state == "unknown"]
    yield from finding("lost", "spaces whose state changes have gaps or repetitions", gaps)
    yield from finding("reordered", "state changes that do not follow each other", broken)
    yield from finding("reordered", "state changes by an uplink older than the one before", late)
    yield from finding("invented", "spaces that our own outage made unknown", unknown)


def _cause(change: ChangeRow) -> tuple[str, int, int] | None:
    kind, _, rest = change.cause.partition(":")
    eui, _, f_cnt = rest.partition(":")
    return (eui, int(f_cnt), microseconds(change.occurred_at)) if kind == "uplink" and f_cnt.isdigit() else None


def _around_gap(versions: Sequence[int]) -> str:
    found = [f"{a} then {b}" for a, b in itertools.pairwise(versions) if b != a + 1]
    return ", ".join(found[:EXAMPLES]) or (f"{versions[0]} to {versions[-1]}" if versions else "none")


def _published(evidence: Evidence) -> Iterator[Finding]:
    """SPACES: every version of a space once and in order."""
    told: defaultdict[str, list[int]] = defaultdict(list)
    for message in evidence.published:
        told[message.space_id].append(message.version)
    wrong = [
        f"{space.space_id}: {_around_gap(told[space.space_id])} of {space.version}"
        for space in evidence.spaces
        if told[space.space_id] != list(range(1, space.version + 1))
    ]
    announced = Counter(evidence.announced)
    silent = [row.id for row in evidence.reservations if row.id not in announced]
    yield from finding("lost", "reservations that the stream does not tell of", silent)
    twice = [id_ for id_, times in announced.items() if times > 1]
    yield from finding("duplicated", "reservations that the stream tells of twice", twice)
    yield from finding("reordered", "spaces whose published versions have gaps, repetitions or another order", wrong)


def _displays(evidence: Evidence) -> Iterator[Finding]:
    wrong = []
    for space in evidence.spaces:
        if space.display_eui is None:
            continue
        expected = shown_on(evidence.families[space.display_eui], space.state)
        shown = evidence.displays.get(space.display_eui)
        if shown != expected:
            wrong.append(f"{space.display_eui} shows {shown}, its space is {space.state}: {expected}")
    yield from finding("unresolved", "displays that do not show their space's state", wrong)


def _bookings(evidence: Evidence) -> Iterator[Finding]:
    bookings, rows = evidence.ledger.bookings, {row.id: row for row in evidence.reservations}
    yield from finding("unresolved", "bookings without an answer", [one for one in bookings if one.answer == "unknown"])
    made = [one for one in bookings if one.answer == "made"]
    lost = [one for one in made if one.reservation_id not in rows]
    yield from finding("lost", "bookings that were confirmed and are not there", lost)
    confirmed = Counter(one.reservation_id for one in made)
    yield from finding("duplicated", "reservations that two were given", [id_ for id_, n in confirmed.items() if n > 1])
    yield from finding("invented", "reservations that nobody was given", [id_ for id_ in rows if id_ not in confirmed])
    sold = Counter(one.slot for one in made)
    yield from finding("double-booked", "slots that were sold twice", [slot for slot, n in sold.items() if n > 1])
    yield from finding("double-booked", "reservations of one space that overlap", list(_overlaps(evidence)))
    refused: set[Slot] = {one.slot for one in bookings if one.answer == "taken"} - sold.keys()
    if all(one.answer != "unknown" for one in bookings):
        yield from finding("lost", "slots that were refused to everybody", sorted(refused))


def _overlaps(evidence: Evidence) -> Iterator[str]:
    active = sorted(
        (row for row in evidence.reservations if row.status == "active"), key=lambda row: (row.space_id, row.starts_at)
    )
    for one, other in itertools.pairwise(active):
        if one.space_id == other.space_id and other.starts_at < one.ends_at:
            yield f"{one.id} and {other.id}"


def _events(evidence: Evidence) -> Iterator[Finding]:
    """What clients of the event stream read: every version once, in order, up to the last."""
    ledger = evidence.ledger
    yield from finding("lost", "event streams that were told to start anew", [ledger.resets] if ledger.resets else [])
    gaps, behind, repeated = [], [], []
    for number, seen in ledger.events.items():
        told = _versions(seen)
        # A client that was there before the first change reads of all of them; making the space was version 1.
        gaps += [f"{space}: {_around_gap(v)}" for space, v in told.items() if v != list(range(2, 2 + len(v)))]
        for space in evidence.spaces:
            if space.tenant_id == str(ledger.tenants[number]) and space.version > 1:
                last = told.get(space.space_id, [0])[-1]
                behind += [f"{space.space_id}: {last} of {space.version}"] if last != space.version else []
        repeated += [identity for identity, n in Counter(event.id for event in seen).items() if n > 1]
        created = {event.reservation_id for event in seen if event.type == CREATED}
        there = {row.id for row in evidence.reservations if row.tenant_id == str(ledger.tenants[number])}
        behind += [f"reservation {id_}" for id_ in sorted(there - created)]
    yield from finding("reordered", "spaces whose events came with gaps, repetitions or in another order", gaps)
    yield from finding("lost", "spaces whose last event never came, and reservations without any", behind)
    yield from finding("duplicated", "events that came twice", repeated)


def _versions(seen: Iterable[SeenEvent]) -> dict[str, list[int]]:
    told: defaultdict[str, list[int]] = defaultdict(list)
    for event in seen:
        if event.version is not None:
            told[event.space_id].append(event.version)
    return told


def _tenants(evidence: Evidence) -> Iterator[Finding]:
    """Nothing of one tenant is another's: what clients read, and every row."""
    ledger = evidence.ledger
    names = [str(tenant) for tenant in ledger.tenants]
    events = [e for number, seen in ledger.events.items() for e in seen if e.tenant_id != names[number]]
    yield from finding("leaked", "events of another tenant", events)
    owner_of_device = {sent.dev_eui: names[sent.tenant] for sent in ledger.uplinks.values()}
    owner_of_space = {space.space_id: space.tenant_id for space in evidence.spaces}
    readings = [row for row in evidence.readings if row.tenant_id != owner_of_device.get(row.dev_eui, row.tenant_id)]
    rows = [
        row
        for table in (evidence.stays, evidence.changes, evidence.reservations, evidence.published)
        for row in table
        if row.tenant_id != owner_of_space.get(row.space_id)
    ]
    yield from finding("leaked", "rows and messages under another tenant", [*readings, *rows])


def _left_overs(evidence: Evidence) -> Iterator[Finding]:
    left = [f"{name}: {count}" for name, count in evidence.left_overs.counts.items() if count]
    yield from finding("unresolved", "what should be nothing when all is at rest", left)
    yield from finding("lost", "events that were given up on", evidence.left_overs.dead_letters)
