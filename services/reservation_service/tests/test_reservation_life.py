"""The life of a reservation through the real services: its window, who comes, who does not, and what the space shows.

Lead time 2 s, grace 6 s, overstay after 0.4 s, a clock of 0.1 s.
"""

from datetime import datetime
from uuid import UUID

import pytest

from parking_contracts import subjects
from parking_contracts.errors import ErrorCode, Refusal
from parking_contracts.reservation_commands import CancelReservation, CheckIn, UpdateReservation
from stack.car_park import HOUR, SECOND, Lot, now
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

RESERVED, FREE = ("reserved", "reservation"), ("free", "sensor")


async def test_a_window_opens_at_its_lead_time_and_the_space_follows(lot: Lot):
    space_id, _ = await lot.sensed_space()
    start = now() + 5 * SECOND
    made = await lot.book(space_id, start, start + 3 * SECOND)
    assert made["opened_at"] is None
    early = await lot.ask(CheckIn(id=made["id"]))
    assert isinstance(early, Refusal)
    assert early.code is ErrorCode.RESERVATION_NOT_OPEN
    assert early.details["opens_at"] == (start - 2 * SECOND).isoformat()
    row = await lot.until(made, opened_at=...)
    assert row["opened_at"] >= start - 2 * SECOND
    await lot.shows(space_id, *RESERVED)
    await lot.until(made, status="completed")
    await lot.shows(space_id, *FREE)
    assert await lot.names(space_id) == ["created", "opened", "released"]


async def test_a_booking_inside_its_lead_time_opens_at_once_and_can_be_checked_in(lot: Lot):
    space_id, _ = await lot.sensed_space()
    made = await lot.book(space_id, now(), now() + HOUR)
    assert (made["opened_at"], made["version"]) != (None, 1)
    await lot.shows(space_id, *RESERVED)
    present = await lot.ask(CheckIn(id=made["id"]))
    assert present["checked_in_by"] == "api"
    assert await lot.ask(CheckIn(id=made["id"])) == present
    gone = await lot.ask(CancelReservation(id=made["id"]))
    assert gone["status"] == "cancelled"
    await lot.shows(space_id, *FREE)
    assert await lot.names(space_id) == ["created", "opened", "checked_in", "released"]


async def test_an_arrival_checks_in_and_a_vehicle_that_stays_overstays_once(lot: Lot):
    space_id, car = await lot.sensed_space()
    made = await lot.book(space_id, now(), now() + 7 * SECOND)  # longer than the grace
    await car.sense(occupied=True)
    row = await lot.until(made, checked_in_by="arrival")
    assert row["checked_in_at"] >= row["opened_at"]
    await car.sense(occupied=True)  # a keep-alive is no second arrival
    await tell_again(lot, space_id)  # nor is one that is delivered twice
    await lot.until(made, status="completed")
    row = await lot.until(made, overstayed_at=...)
    assert row["overstayed_at"] >= row["ends_at"] + 0.4 * SECOND
    await lot.shows(space_id, "occupied", "sensor")
    assert await lot.names(space_id) == ["created", "opened", "checked_in", "released", "overstayed"]


async def test_somebody_else_in_the_way_is_neither_check_in_nor_no_show(lot: Lot):
    space_id, car = await lot.sensed_space()
    await car.sense(occupied=True)
    made = await lot.book(space_id, now(), now() + HOUR)
    assert made["obstructed_at"] is not None
    other = await lot.book(await lot.space(), now(), now() + HOUR)
    await lot.until(other, status="no_show")  # the same grace has passed
    assert (await lot.row(made))["status"] == "active"
    await car.sense(occupied=False)
    await lot.until(made, cleared_at=...)
    await lot.shows(space_id, *RESERVED)
    await car.sense(occupied=True)
    await lot.until(made, checked_in_by="arrival")
    assert await lot.names(space_id) == ["created", "opened", "obstructed", "checked_in"]


async def test_nobody_coming_gives_the_space_back(lot: Lot):
    space_id, _ = await lot.sensed_space()
    made = await lot.book(space_id, now(), now() + HOUR)
    row = await lot.until(made, status="no_show")
    assert row["ended_at"] >= row["starts_at"] + 6 * SECOND
    await lot.shows(space_id, *FREE)
    await lot.book(space_id, now(), now() + HOUR)
    refusal = await lot.ask(CheckIn(id=made["id"]))
    assert (refusal.code, refusal.details["status"]) == (ErrorCode.RESERVATION_NOT_ACTIVE, "no_show")


async def test_an_open_reservation_keeps_its_start_and_may_move_its_end(lot: Lot):
    space_id, car = await lot.sensed_space()
    made = await lot.book(space_id, now(), now() + HOUR)
    await car.sense(occupied=True)
    await lot.until(made, checked_in_by="arrival")
    refusal = await lot.ask(UpdateReservation(id=made["id"], starts_at=now() + HOUR / 2))
    assert refusal.code is ErrorCode.RESERVATION_OPEN
    longer = await lot.ask(UpdateReservation(id=made["id"], ends_at=now() + 2 * HOUR))

    async def engine_follows() -> bool:
        rows = await lot.town.rows("SELECT reservation_until FROM occupancy.spaces WHERE id = $1", space_id)
        return rows[0]["reservation_until"].isoformat().replace("+00:00", "Z") == longer["ends_at"]

    await eventually(engine_follows)
    soon = now() + 2 * SECOND
    shorter = await lot.ask(UpdateReservation(id=made["id"], ends_at=soon))
    assert not isinstance(shorter, Refusal), shorter
    assert (shorter["id"], datetime.fromisoformat(shorter["ends_at"])) == (made["id"], soon)
    await lot.until(made, status="completed")


async def test_the_next_one_opens_when_the_one_before_it_ends(lot: Lot):
    space_id, _ = await lot.sensed_space()
    start = now()
    first = await lot.book(space_id, start, start + HOUR)
    second = await lot.book(space_id, start + HOUR, start + 2 * HOUR)
    await lot.ask(CheckIn(id=first["id"]))
    soon = now() + 3 * SECOND
    shorter = await lot.ask(UpdateReservation(id=first["id"], ends_at=soon))
    assert not isinstance(shorter, Refusal), shorter
    await eventually(lambda: now() >= soon - 2 * SECOND)
    sooner = await lot.ask(UpdateReservation(id=second["id"], starts_at=soon))
    assert not isinstance(sooner, Refusal), sooner
    await lot.until(first, status="completed")
    row = await lot.until(second, opened_at=...)
    assert row["opened_at"] >= soon, "in its lead time, behind one that runs"
    await lot.shows(space_id, *RESERVED)


async def test_one_open_beside_a_shorter_one_holds_the_space_alone_afterwards(lot: Lot):
    space_id, _ = await lot.sensed_space()
    start = now() + 1.9 * SECOND
    later = await lot.book(space_id, start, start + HOUR)
    assert later["opened_at"] is not None
    sooner = await lot.book(space_id, now(), start)
    assert sooner["opened_at"] is not None
    await lot.ask(CheckIn(id=later["id"]))
    await lot.until(sooner, ended_at=...)
    await lot.shows(space_id, *RESERVED)
    names = await lot.names(space_id)
    assert names[:4] == ["created", "opened", "created", "opened"]
    assert names[-2:] == ["released", "updated"]


async def tell_again(lot: Lot, space_id: UUID) -> None:
    """Publish the space's last change once more, as if it had been delivered and not acknowledged."""
    subject = subjects.space(lot.tenant_id, space_id, "state_changed")
    message = await lot.town.bus.jetstream().get_last_msg("SPACES", subject)
    await lot.town.bus.jetstream().publish(subject, message.data or b"")
