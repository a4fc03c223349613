"""reservation.create, reservation.book_any, reservation.check_availability."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from uuid import UUID

from parking_chassis.postgres import Connection
from parking_chassis.refusals import invalid, not_found
from parking_contracts.command import Command
from parking_contracts.errors import Refusal
from parking_contracts.reservation import ReservationCreated
from parking_contracts.reservation_commands import (
    Availability,
    BookAnySpace,
    Booking,
    CheckAvailability,
    CreateReservation,
    ReservationView,
)
from reservation_service.commands import refusals
from reservation_service.domain.booking import end_error, objection, time_error
from reservation_service.domain.reservation import Rules
from reservation_service.settling import settle
from reservation_service.store import events, places, reservations
from reservation_service.store.locks import lock_space, try_lock_space


class BookingCommands:
    """What books a space, or says whether it could be booked."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def create(self, connection: Connection, command: Command[CreateReservation]) -> ReservationView | Refusal:
        """Book one space."""
        body, now = command.body, datetime.now(UTC)
        if error := time_error(body.starts_at, body.ends_at, now, self._rules):
            return invalid(error.field, error.message)
        await lock_space(connection, command.tenant_id, body.space_id)
        return await self._book(connection, command, body.space_id, body, now)

    async def book_any(self, connection: Connection, command: Command[BookAnySpace]) -> ReservationView | Refusal:
        """Book whichever space is free: first one that nobody is about to book, else wait for those that are."""
        body, now = command.body, datetime.now(UTC)
        if error := time_error(body.starts_at, body.ends_at, now, self._rules):
            return invalid(error.field, error.message)
        if not await places.has_site(connection, command.tenant_id, body.site_id):
            return not_found("site", body.site_id)
        soon = body.starts_at <= now + self._rules.lead
        # Every round that fails has seen its candidates taken, so the rounds end with one of them or with none left.
        for take_lock in itertools.chain([try_lock_space], itertools.repeat(lock_space)):
            candidates = await places.candidates(
                connection, command.tenant_id, body, soon=soon, salt=command.request_id
            )
            if not candidates:
                return refusals.none_free()
            for space_id in candidates:
                attempt = connection.transaction()
                await attempt.start()
                if await take_lock(connection, command.tenant_id, space_id):
                    booked = await self._book(connection, command, space_id, body, now)
                    if not isinstance(booked, Refusal):
                        await attempt.commit()
                        return booked
                await attempt.rollback()  # gives the lock back, too
        raise AssertionError("unreachable: the rounds have no end of their own")

    async def _book(
        self,
        connection: Connection,
        command: Command[CreateReservation] | Command[BookAnySpace],
        space_id: UUID,
        booking: Booking,
        now: datetime,
    ) -> ReservationView | Refusal:
        """Book this space, whose lock is held: read after the lock, since it may have been deleted before it."""
        tenant_id, times = command.tenant_id, (booking.starts_at, booking.ends_at)
        conflicts = await reservations.conflicts(connection, tenant_id, space_id, *times)
        if any(conflict.starts_at <= now for conflict in conflicts):
            # Its time may be over, or nobody have come, and the clock not have been here yet.
            await settle(connection, tenant_id, space_id, now, self._rules)
            conflicts = await reservations.conflicts(connection, tenant_id, space_id, *times)
        if conflicts:
            return refusals.taken(conflicts)
        place = await places.find(connection, tenant_id, space_id)
        if place is None or place.is_deleted:
            return not_found("space", space_id)
        if reason := objection(place, booking.starts_at):
            return refusals.unfit(reason)
        made = await reservations.insert(connection, command, space_id, booking, now)
        if made is None:  # the database's own word, should anybody ever write without the lock
            return refusals.taken(await reservations.conflicts(connection, tenant_id, space_id, *times))
        await events.tell(connection, [_created(made)])
        if made.starts_at - self._rules.lead > now:
            return made
        await settle(connection, tenant_id, space_id, now, self._rules)
        return await reservations.view(connection, tenant_id, made.id) or made

    async def check_availability(
        self, connection: Connection, command: Command[CheckAvailability]
    ) -> Availability | Refusal:
        """Whether this space could be booked then, and what stands against it."""
        body, now = command.body, datetime.now(UTC)
        if error := end_error(body.starts_at, body.ends_at, now):
            return invalid(error.field, error.message)
        place = await places.find(connection, command.tenant_id, body.space_id)
        if place is None or place.is_deleted:
            return not_found("space", body.space_id)
        times = body.starts_at, body.ends_at
        conflicts = await reservations.conflicts(connection, command.tenant_id, body.space_id, *times)
        error = time_error(*times, now, self._rules)
        reason = objection(place, body.starts_at) or (f"{error.field}: {error.message}" if error else "")
        return Availability(
            space_id=body.space_id,
            available=not conflicts and not reason,
            conflicts=conflicts,
            reason=reason or ("the space is taken then" if conflicts else ""),
            state=place.state,
        )


def _created(made: ReservationView) -> ReservationCreated:
    return ReservationCreated(
        tenant_id=made.tenant_id,
        space_id=made.space_id,
        reservation_id=made.id,
        starts_at=made.starts_at,
        ends_at=made.ends_at,
        at=made.created_at,
    )
