"""Booking through the real service: what is answered, what is refused and why, and that a retry books once."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from stack.car_park import HOUR, MINUTE, Lot, now

from parking_contracts.errors import ErrorCode, Refusal
from parking_contracts.reservation_commands import (
    BookAnySpace,
    CancelReservation,
    CheckAvailability,
    CreateReservation,
)
from parking_contracts.space import SpaceState
from parking_contracts.space_commands import DeleteSpace, SetSpaceState

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_booking_answers_what_it_was_given(lot: Lot):
    space_id, start = await lot.space(), now() + HOUR
    made = await lot.book(
        space_id, start, start + HOUR, email="Ada@Example.org", phone="+41791234567", metadata={"plate": "ZH 1"}
    )
    assert (made["email"], made["phone"], made["metadata"]) == ("Ada@Example.org", "+41791234567", {"plate": "ZH 1"})
    assert (made["status"], made["version"], made["opened_at"], made["created_by"]) == ("active", 1, None, "key:test")
    (event,) = await lot.events(space_id)
    assert event[0] == "created"
    assert event[1]["reservation_id"] == made["id"]
    assert "Ada" not in str(event)
