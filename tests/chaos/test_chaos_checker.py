"""The checker sees each kind of damage, and nothing in an intact world."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from chaos.checker import check
from chaos.evidence import (
    ChangeRow,
    Evidence,
    LeftOvers,
    Published,
    Reading,
    ReservationRow,
    SpaceRow,
    StayRow,
)
from chaos.expectation import EPOCH, microseconds
from chaos.ledger import Booking, Ledger, SeenEvent, SentUplink

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
TENANTS = [UUID(int=1), UUID(int=2)]
EUIS = ["5a00000000000001", "5a00000000000002"]
SPACES = ["space-1", "space-2"]
SIGNS = ["5d00000000000001", "5d00000000000002"]
# What each sensor says, frame by frame; None is a frame without a statement. The second session begins with the fifth.
SAID = (False, True, None, False, True, True, False, True)
SESSIONS = (1, 1, 1, 1, 2, 2, 2, 2)
UNTIMED = 6
replace = msgspec.structs.replace


def at(number: int) -> datetime:
    return NOON + number * SECOND


def session_at(session: int) -> datetime:
    return at(SESSIONS.index(session))


def place(number: int) -> tuple[datetime, int]:
    session = SESSIONS[number]
    return session_at(session), number - SESSIONS.index(session)


def intact() -> Evidence:
    """Two tenants with a space each, whose sensors speak and whose clients listen; all is well."""
    evidence = Evidence(
        ledger=Ledger(tenants=TENANTS),
        gathered_at=NOON - HOUR,
        families=dict(zip(SIGNS, ("busylight", "heltec"), strict=True)),
    )
    for number in (0, 1):
        _speak(evidence, number)
        _book(evidence, number)
        evidence.displays[SIGNS[number]] = ("FF0000", "OCCUPIED")[number]
    return evidence


def _speak(evidence: Evidence, tenant: int) -> None:
    ids, eui, space = str(TENANTS[tenant]), EUIS[tenant], SPACES[tenant]
    for number, occupied in enumerate(SAID):
        session, f_cnt = SESSIONS[number], place(number)[1]
        timed = number != UNTIMED
        sent = SentUplink(tenant, eui, session, f_cnt, occupied, microseconds(at(number)), timed)
        evidence.ledger.send(sent, f"{eui}/{number}")
        evidence.ledger.acknowledged[f"{eui}/{number}"].append(microseconds(at(number)))
        received = at(number) if timed else at(number) + 3 * SECOND
        evidence.readings.append(Reading(ids, eui, session_at(session), f_cnt, received, occupied, space))
    evidence.stays += [
        StayRow(ids, space, eui, place(1), at(1), place(3), at(3)),
        StayRow(ids, space, eui, place(4), at(4), place(6), at(6) + 3 * SECOND),
        StayRow(ids, space, eui, place(7), at(7), None, None),
    ]
    shown = [(0, "unknown", "free"), (1, "free", "occupied"), (3, "occupied", "free"), (4, "free", "occupied")]
    shown += [(6, "occupied", "free"), (7, "free", "occupied")]
    for version, (number, previous, state) in enumerate(shown, 2):
        cause = f"uplink:{eui}:{place(number)[1]}"
        evidence.changes.append(ChangeRow(ids, space, version, previous, state, cause, at(number), at(number)))
    evidence.spaces.append(SpaceRow(ids, space, eui, SIGNS[tenant], "occupied", "sensor", 7))
    for version in range(1, 8):
        name = "created" if version == 1 else "state_changed"
        evidence.published.append(Published(len(evidence.published), ids, space, name, version))
        if version > 1:
            seen = SeenEvent(f"{version}.0", f"space.{name}", ids, space, version)
            evidence.ledger.events[tenant].append(seen)


def _book(evidence: Evidence, tenant: int) -> None:
    """One slot, wanted by two."""
    ids, space = str(TENANTS[tenant]), SPACES[tenant]
    winner = Booking(tenant, "k1", space, NOON, NOON + HOUR, 0.0, 1, "made", f"r{tenant}", 1.0)
    loser = Booking(tenant, "k2", space, NOON, NOON + HOUR, 0.0, 1, "taken", None, 1.0)
    evidence.ledger.bookings += [winner, loser]
    evidence.reservations.append(ReservationRow(ids, f"r{tenant}", space, NOON, NOON + HOUR, "active"))
    evidence.ledger.events[tenant].append(SeenEvent("7.1", "reservation.created", ids, space, None, f"r{tenant}"))
    evidence.announced.append(f"r{tenant}")


def damaged(change: Callable[[Evidence], object]) -> set[tuple[str, str]]:
    evidence = intact()
    change(evidence)
    return {(found.kind, found.what) for found in check(evidence).findings}


def kinds(change: Callable[[Evidence], object]) -> set[str]:
    return {kind for kind, _ in damaged(change)}


def put(rows: list, number: int, **changes: object) -> None:
    rows[number] = replace(rows[number], **changes)


def test_an_intact_world_has_no_findings() -> None:
    verdict = check(intact())
    assert (verdict.findings, verdict.broker_lost) == ([], [])


DAMAGE: list[tuple[str, str, Callable[[Evidence], object]]] = [
    ("lost", "an uplink is no reading", lambda e: e.readings.pop(2)),
    ("duplicated", "an uplink is two readings", lambda e: e.readings.append(e.readings[2])),
    ("invented", "a reading of nothing", lambda e: e.readings.append(replace(e.readings[2], f_cnt=99))),
    ("reordered", "a session in two", lambda e: put(e.readings, 2, session_at=at(2))),
    ("reordered", "two sessions in one", lambda e: put(e.readings, 4, session_at=session_at(1))),
    ("reordered", "a stay too few", lambda e: e.stays.pop(0)),
    ("reordered", "a stay that does not end", lambda e: put(e.stays, 0, departed=None, departed_at=None)),
    ("reordered", "a stay at another time", lambda e: put(e.stays, 0, arrived_at=at(0))),
    ("reordered", "a stay by another frame", lambda e: put(e.stays, 0, departed=place(2))),
    ("invented", "a stay of no session", lambda e: put(e.stays, 0, arrived=(at(99), 1))),
    ("reordered", "a stale state", lambda e: put(e.spaces, 0, state="free")),
    ("lost", "a change without a row", lambda e: e.changes.pop(2)),
    ("reordered", "a change from elsewhere", lambda e: put(e.changes, 2, previous="reserved")),
    (
        "reordered",
        "a late uplink that shows",
        lambda e: put(e.changes, 4, cause=f"uplink:{EUIS[0]}:1", occurred_at=at(1)),
    ),
    ("invented", "an outage that hides a space", lambda e: put(e.changes, 4, state="unknown")),
    ("reordered", "a version that was not published", lambda e: e.published.pop(3)),
    ("reordered", "a version published twice", lambda e: e.published.insert(3, e.published[3])),
    ("reordered", "versions swapped", lambda e: e.published.insert(3, e.published.pop(4))),
    ("unresolved", "a display that is wrong", lambda e: e.displays.update({SIGNS[1]: "AVAILABLE"})),
    ("unresolved", "a display that is gone", lambda e: e.displays.clear()),
    ("unresolved", "a booking without answer", lambda e: put(e.ledger.bookings, 1, answer="unknown")),
    ("lost", "a confirmed booking that is gone", lambda e: e.reservations.pop(0)),
    ("invented", "a reservation of nobody", lambda e: e.reservations.append(replace(e.reservations[0], id="r9"))),
    ("double-booked", "a slot sold twice", lambda e: put(e.ledger.bookings, 1, answer="made", reservation_id="r9")),
    ("double-booked", "an overlap", lambda e: e.reservations.append(replace(e.reservations[0], id="r9"))),
    ("duplicated", "one reservation for two", lambda e: put(e.ledger.bookings, 1, answer="made", reservation_id="r0")),
    ("lost", "a slot refused to both", lambda e: put(e.ledger.bookings, 0, answer="taken", reservation_id=None)),
    ("lost", "a stream told to start anew", lambda e: setattr(e.ledger, "resets", 1)),
    ("reordered", "an event left out", lambda e: e.ledger.events[0].pop(2)),
    ("reordered", "the first event left out", lambda e: e.ledger.events[0].pop(0)),
    ("lost", "the last event left out", lambda e: e.ledger.events[0].pop(5)),
    ("duplicated", "an event twice", lambda e: e.ledger.events[0].insert(2, e.ledger.events[0][2])),
    ("leaked", "an event of the other tenant", lambda e: e.ledger.events[0].append(e.ledger.events[1][0])),
    ("leaked", "a reading under the other tenant", lambda e: put(e.readings, 0, tenant_id=str(TENANTS[1]))),
    ("leaked", "a stay under the other tenant", lambda e: put(e.stays, 0, tenant_id=str(TENANTS[1]))),
    ("leaked", "a message under the other tenant", lambda e: put(e.published, 0, tenant_id=str(TENANTS[1]))),
    ("lost", "a reservation that clients did not hear of", lambda e: e.ledger.events[0].pop()),
    ("lost", "a reservation that was not published", lambda e: e.announced.pop()),
    ("duplicated", "a reservation published twice", lambda e: e.announced.append("r0")),
    ("unresolved", "a row left in an outbox", lambda e: setattr(e, "left_overs", LeftOvers(counts={"outbox": 1}))),
    ("lost", "a dead letter", lambda e: setattr(e, "left_overs", LeftOvers(dead_letters=["dead.engine.bug"]))),
]


@pytest.mark.parametrize(("kind", "change"), [(k, c) for k, _, c in DAMAGE], ids=[name for _, name, _ in DAMAGE])
def test_each_kind_of_damage_is_found(kind: str, change: Callable[[Evidence], object]) -> None:
    assert kind in kinds(change)


def kill_broker(evidence: Evidence, when: datetime) -> None:
    evidence.ledger.broker_kills.append((microseconds(when), microseconds(when + SECOND)))


def test_what_a_killed_broker_never_delivered_is_its_own_loss() -> None:
    evidence = intact()
    never_delivered, delivered = evidence.readings.pop(2), evidence.readings.pop(2)
    kill_broker(evidence, at(4))
    evidence.ledger.taken = {f"{EUIS[0]}/3"}
    verdict = check(evidence)
    assert [key[2] for key in verdict.broker_lost] == [never_delivered.f_cnt]
    lost = [found for found in verdict.findings if found.kind == "lost"]
    assert [found.count for found in lost] == [1], delivered


@pytest.mark.parametrize("when", [at(60), at(1)], ids=["long after it was written", "before it was published"])
def test_another_moments_kill_excuses_nothing(when: datetime) -> None:
    evidence = intact()
    del evidence.readings[2]
    kill_broker(evidence, when)
    verdict = check(evidence)
    assert verdict.broker_lost == []
    assert [found.count for found in verdict.findings if found.kind == "lost"] == [1]


def test_a_stay_whose_end_was_lost_with_the_broker_is_expected_to_go_on() -> None:
    evidence = intact()
    kill_broker(evidence, at(4))
    del evidence.readings[3]
    evidence.stays[0:2] = [replace(evidence.stays[0], departed=place(6), departed_at=at(6) + 3 * SECOND)]
    del evidence.changes[2:4]
    assert "stays" not in " ".join(found.what for found in check(evidence).findings)


def test_a_departure_before_its_arrival_is_expected_at_the_arrival() -> None:
    """A gateway's clock cannot end a stay before it begins."""
    evidence = intact()
    frame = evidence.ledger.uplinks[EUIS[0], 1, 3]
    frame.at_us = microseconds(at(0))
    put(evidence.readings, 3, occurred_at=at(0))
    put(evidence.stays, 0, departed_at=at(1))
    assert not any("stays" in found.what for found in check(evidence).findings)


def test_microseconds_are_exact() -> None:
    assert microseconds(EPOCH + timedelta(microseconds=1_700_000_000_123_457)) == 1_700_000_000_123_457


def test_a_vacant_space_is_expected_to_be_reserved_while_its_window_is_open() -> None:
    """The window opens a quarter of an hour before the start."""

    def vacated(minutes: int) -> set[str]:
        evidence = intact()
        evidence.gathered_at = NOON - timedelta(minutes=minutes)
        last = (EUIS[0], 2, 3)
        evidence.ledger.uplinks[last].occupied = False
        put(evidence.readings, 7, occupied=False)
        put(evidence.spaces, 0, state="free")
        return {found.what for found in check(evidence).findings if "booked" in found.what}

    assert vacated(16) == set()
    assert len(vacated(14)) == 1
