"""Booking through the real service: what is answered, what is refused and why, and that a retry books once."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from parking_contracts.errors import ErrorCode, Refusal
from parking_contracts.reservation_commands import (
    BookAnySpace,
    CancelReservation,
    CheckAvailability,
    CreateReservation,
    UpdateReservation,
)
from parking_contracts.space_commands import CreateSite, DeleteSpace, SetSpaceState
from stack.car_park import HOUR, MINUTE, SECOND, Lot, now

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = timedelta(days=1)


def why(reply) -> tuple[str, str | None]:
    """(code, field) of a refusal."""
    assert isinstance(reply, Refusal), reply
    return reply.code.value, reply.details.get("field")


async def test_a_booking_answers_what_it_was_given_and_tells_no_personal_data(lot: Lot):
    space_id, start = await lot.space(), now() + HOUR
    details = {"email": "Ada@Example.org", "phone": "+41791234567", "metadata": {"plate": "ZH 1"}}
    made = await lot.book(space_id, start, start + HOUR, **details)
    assert {name: made[name] for name in details} == details
    assert (made["status"], made["version"], made["opened_at"], made["created_by"]) == ("active", 1, None, "key:test")
    ((name, event),) = await lot.events(space_id)
    assert (name, event["reservation_id"]) == ("created", made["id"])
    assert not any(secret in str(event) for secret in ("Ada", "+4179", "ZH 1"))


async def test_what_overlaps_is_refused_with_the_times_and_nothing_else(lot: Lot):
    space_id, start = await lot.space(), now() + HOUR
    await lot.book(space_id, start, start + HOUR, email="ada@example.org")
    for begin, end in (
        (start, start + HOUR),
        (start - MINUTE, start + MINUTE),
        (start + 59 * MINUTE, start + 2 * HOUR),
    ):
        refusal = await lot.ask(CreateReservation(space_id=space_id, starts_at=begin, ends_at=end))
        assert why(refusal)[0] == "SPACE_NOT_AVAILABLE"
        (conflict,) = refusal.details["conflicts"]
        assert set(conflict) == {"starts_at", "ends_at"}
        assert "ada" not in str(refusal)
    await lot.book(space_id, start - HOUR, start)
    await lot.book(space_id, start + HOUR, start + 2 * HOUR)


@pytest.mark.parametrize(
    ("starts_in", "lasts", "field"),
    [
        (-6 * MINUTE, HOUR, "starts_at"),
        (366 * DAY, HOUR, "starts_at"),
        (HOUR, -MINUTE, "ends_at"),
        (HOUR, 0 * MINUTE, "ends_at"),
        (HOUR, 24 * HOUR + SECOND, "ends_at"),
        (-4 * MINUTE, 3 * MINUTE, "ends_at"),
    ],
)
async def test_a_time_that_cannot_be_booked_is_refused_with_its_field(lot: Lot, starts_in, lasts, field):
    start = now() + starts_in
    body = CreateReservation(space_id=uuid4(), starts_at=start, ends_at=start + lasts)
    assert why(await lot.ask(body)) == ("VALIDATION_ERROR", field)


async def test_the_limits_themselves_can_be_booked(lot: Lot):
    start = now() - 4 * MINUTE
    await lot.book(await lot.space(), start, start + 24 * HOUR)
    start = now() + 364 * DAY
    await lot.book(await lot.space(), start, start + SECOND)


async def test_a_space_that_is_gone_foreign_or_under_maintenance_is_not_booked(lot: Lot, city):
    start = now() + HOUR
    gone, closed = await lot.space(), await lot.space()
    await lot.ask(DeleteSpace(id=gone))
    foreign = await (await city.town()).space()
    for space_id in (gone, foreign, uuid4()):
        body = CreateReservation(space_id=space_id, starts_at=start, ends_at=start + HOUR)
        assert why(await lot.ask(body))[0] == "RECORD_NOT_FOUND"
    await lot.ask(SetSpaceState(id=closed, state="maintenance", reason="paint", until=start + MINUTE))
    body = CreateReservation(space_id=closed, starts_at=start, ends_at=start + HOUR)
    refusal = await lot.ask(body)
    assert (why(refusal)[0], "maintenance until" in refusal.details["reason"]) == ("SPACE_NOT_AVAILABLE", True)
    await lot.book(closed, start + MINUTE, start + HOUR)


async def test_the_same_key_books_once_whatever_comes_at_the_same_time(lot: Lot):
    space_id, start = await lot.space(), now() + HOUR
    body = CreateReservation(space_id=space_id, starts_at=start, ends_at=start + HOUR, email="ada@example.org")
    once = {"idempotency_key": "k1", "body_sha256": "a"}
    answers = await asyncio.gather(*(lot.ask(body, **once) for _ in range(32)))
    assert all(answer == answers[0] and answer["id"] for answer in answers)
    assert await lot.names(space_id) == ["created"]
    assert why(await lot.ask(body, idempotency_key="k1", body_sha256="b"))[0] == "IDEMPOTENCY_KEY_REUSED"
    other = await lot.ask(body, **once | {"caller": "key:other"})
    assert why(other)[0] == "SPACE_NOT_AVAILABLE"


async def test_any_free_space_of_a_zone_and_kind_is_found(lot: Lot, city):
    start = now() + HOUR
    times = {"starts_at": start, "ends_at": start + HOUR}
    wanted = [await lot.space(zone="north", kind="ev") for _ in range(3)]
    await lot.space(zone="north")
    await lot.space(zone="south", kind="ev")
    closed = await lot.space(zone="north", kind="ev")
    await lot.ask(SetSpaceState(id=closed, state="maintenance"))
    body = BookAnySpace(site_id=lot.town.site_id, zone="north", kind="ev", **times)
    answers = await asyncio.gather(*(lot.ask(body) for _ in range(16)))
    booked = [answer["space_id"] for answer in answers if not isinstance(answer, Refusal)]
    assert sorted(booked) == sorted(str(space_id) for space_id in wanted)
    assert {why(answer)[0] for answer in answers if isinstance(answer, Refusal)} == {"SPACE_NOT_AVAILABLE"}
    later = BookAnySpace(site_id=lot.town.site_id, zone="north", kind="ev", starts_at=start + HOUR, ends_at=start + DAY)
    assert (await lot.ask(later))["space_id"] in booked
    foreign = (await city.town()).site_id
    assert why(await lot.ask(BookAnySpace(site_id=foreign, **times)))[0] == "RECORD_NOT_FOUND"


async def test_an_empty_space_is_preferred_where_it_is_soon(lot: Lot):
    site = await lot.ask(CreateSite(name="Small"))
    taken, car = await lot.sensed_space(site_id=site["id"])
    await car.sense(occupied=True)
    empty = await lot.space(site_id=site["id"])
    for expected in (empty, taken):
        body = BookAnySpace(site_id=site["id"], starts_at=now(), ends_at=now() + HOUR)
        assert (await lot.ask(body))["space_id"] == str(expected)


async def test_availability_says_what_stands_against_a_time(lot: Lot):
    space_id, start = await lot.space(), now() + HOUR
    await lot.book(space_id, start, start + HOUR)
    taken = await lot.ask(CheckAvailability(space_id=space_id, starts_at=start - HOUR, ends_at=start + MINUTE))
    assert (taken["available"], len(taken["conflicts"]), taken["state"]) == (False, 1, "free")
    free = await lot.ask(CheckAvailability(space_id=space_id, starts_at=start - HOUR, ends_at=start))
    assert (free["available"], free["conflicts"], free["reason"]) == (True, [], "")
    await lot.ask(SetSpaceState(id=space_id, state="maintenance"))
    closed = await lot.ask(CheckAvailability(space_id=space_id, starts_at=start - HOUR, ends_at=start))
    assert (closed["available"], closed["reason"]) == (False, "the space is under maintenance")
    assert why(await lot.ask(CheckAvailability(space_id=uuid4(), starts_at=start, ends_at=start + HOUR)))[0] == (
        "RECORD_NOT_FOUND"
    )


async def test_times_move_under_the_same_constraint(lot: Lot):
    space_id, start = await lot.space(), now() + HOUR
    made = await lot.book(space_id, start, start + HOUR, email="ada@example.org")
    await lot.book(space_id, start + 2 * HOUR, start + 3 * HOUR)
    stretched = await lot.ask(UpdateReservation(id=made["id"], ends_at=start + 2 * HOUR, if_version=1, email=None))
    assert (stretched["version"], stretched["email"]) == (2, None)
    for change, code in (
        ({"ends_at": start + 2 * HOUR + MINUTE}, "SPACE_NOT_AVAILABLE"),
        ({"starts_at": start + 2 * HOUR, "ends_at": start + 3 * HOUR}, "SPACE_NOT_AVAILABLE"),
        ({"ends_at": start}, "VALIDATION_ERROR"),
        ({"starts_at": start - 23 * HOUR}, "VALIDATION_ERROR"),
        ({"if_version": 1}, "PRECONDITION_FAILED"),
    ):
        assert why(await lot.ask(UpdateReservation(id=made["id"], **change)))[0] == code
    moved = await lot.ask(UpdateReservation(id=made["id"], starts_at=start + 4 * HOUR, ends_at=start + 5 * HOUR))
    assert moved["version"] == 3
    assert (await lot.ask(UpdateReservation(id=made["id"], metadata={"a": 1})))["version"] == 4
    assert await lot.names(space_id) == ["created", "created", "updated", "updated"]
    assert why(await lot.ask(UpdateReservation(id=uuid4())))[0] == "RECORD_NOT_FOUND"


async def test_a_cancelled_reservation_gives_its_time_back_and_cannot_be_changed(lot: Lot, city):
    space_id, start = await lot.space(), now() + HOUR
    made = await lot.book(space_id, start, start + HOUR)
    stranger = Lot(await city.town())
    assert why(await stranger.ask(CancelReservation(id=made["id"])))[0] == "RECORD_NOT_FOUND"
    assert why(await lot.ask(CancelReservation(id=made["id"], if_version=7)))[0] == "PRECONDITION_FAILED"
    gone = await lot.ask(CancelReservation(id=made["id"], reason="rain"))
    assert (gone["status"], gone["cancel_reason"]) == ("cancelled", "rain")
    for body in (CancelReservation(id=made["id"]), UpdateReservation(id=made["id"], email="b@example.org")):
        refusal = await lot.ask(body)
        assert (refusal.code, refusal.details) == (ErrorCode.RESERVATION_NOT_ACTIVE, {"status": "cancelled"})
    await lot.book(space_id, start, start + HOUR)
    events = await lot.events(space_id)
    assert [name for name, _ in events] == ["created", "released", "created"]
    assert (events[1][1]["reason"], events[1][1]["detail"]) == ("cancelled", "rain")


async def test_a_deleted_space_cancels_its_reservations(lot: Lot):
    space_id, start = await lot.space(), now() + HOUR
    first = await lot.book(space_id, start, start + HOUR)
    second = await lot.book(space_id, start + DAY, start + DAY + HOUR)
    await lot.ask(DeleteSpace(id=space_id))
    for one in (first, second):
        row = await lot.until(one, status="cancelled")
        assert row["cancel_reason"] == "the space was deleted"
    assert (await lot.names(space_id))[2:] == ["released", "released"]
