"""reservation.update, reservation.cancel, reservation.check_in.

Each locks the space, brings its reservations up to date, and then looks: what the clock has not done yet must not
decide what a person may do.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from msgspec import UNSET

from parking_chassis.postgres import Connection
from parking_chassis.refusals import invalid, not_found
from parking_contracts.command import Command
from parking_contracts.errors import Refusal
from parking_contracts.reservation_commands import CancelReservation, CheckIn, ReservationView, UpdateReservation
from reservation_service.commands import refusals
from reservation_service.domain.arrivals import window_start
from reservation_service.domain.booking import end_error, objection, time_error
from reservation_service.domain.reservation import Reservation, Rules
from reservation_service.domain.windows import check_in, release, updated
from reservation_service.settling import carry_out, look, settle
from reservation_service.store import events, places, reservations
from reservation_service.store.locks import lock_space

DETAILS = ("starts_at", "ends_at", "email", "phone", "metadata")


class ChangingCommands:
    """What changes a reservation that there is."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def update(self, connection: Connection, command: Command[UpdateReservation]) -> ReservationView | Refusal:
        """Change what is named; other times are other constraints, and told."""
        body, now = command.body, datetime.now(UTC)
        one = await self._hold(connection, command, body.id, now, if_version=body.if_version)
        if isinstance(one, Refusal):
            return one
        changes = {name: value for name in DETAILS if (value := getattr(body, name)) is not UNSET}
        starts_at, ends_at = changes.get("starts_at", one.starts_at), changes.get("ends_at", one.ends_at)
        moves = (starts_at, ends_at) != (one.starts_at, one.ends_at)
        if moves and (refusal := await self._may_move(connection, one, starts_at, ends_at, now)):
            return refusal
        await reservations.write_details(connection, one.tenant_id, one.id, changes, now)
        if moves:
            scene = await look(connection, one.tenant_id, one.space_id, now, self._rules)
            moved = next(other for other in scene.reservations if other.id == one.id)
            await events.tell(connection, [updated(moved, now)])
            await settle(connection, one.tenant_id, one.space_id, now, self._rules)
        return await self._answer(connection, one)

    async def cancel(self, connection: Connection, command: Command[CancelReservation]) -> ReservationView | Refusal:
        """Let it go; whoever waits behind it may open now."""
        body, now = command.body, datetime.now(UTC)
        one = await self._hold(connection, command, body.id, now, if_version=body.if_version)
        if isinstance(one, Refusal):
            return one
        scene = await look(connection, one.tenant_id, one.space_id, now, self._rules)
        await carry_out(connection, [release(one, scene, "cancelled", body.reason)], now)
        await settle(connection, one.tenant_id, one.space_id, now, self._rules)
        return await self._answer(connection, one)

    async def check_in(self, connection: Connection, command: Command[CheckIn]) -> ReservationView | Refusal:
        """Whoever booked has come, says somebody. Said again, it changes nothing."""
        now = datetime.now(UTC)
        one = await self._hold(connection, command, command.body.id, now)
        if isinstance(one, Refusal):
            return one
        if one.opened_at is None:
            scene = await look(connection, one.tenant_id, one.space_id, now, self._rules)
            return refusals.not_open(window_start(one, scene))
        if one.checked_in_at is None:
            await carry_out(connection, [check_in(one, "api", now)], now)
        return await self._answer(connection, one)

    async def _hold(
        self,
        connection: Connection,
        command: Command[Any],
        reservation_id: UUID,
        now: datetime,
        *,
        if_version: int | None = None,
    ) -> Reservation | Refusal:
        """The reservation, active and up to date, with the lock of its space."""
        tenant_id = command.tenant_id
        seen = await reservations.view(connection, tenant_id, reservation_id)
        if seen is None:
            return not_found("reservation", reservation_id)
        await lock_space(connection, tenant_id, seen.space_id)
        current = await reservations.view(connection, tenant_id, reservation_id) or seen
        if if_version is not None and if_version != current.version:
            return refusals.moved_on(if_version, current.version)
        await settle(connection, tenant_id, seen.space_id, now, self._rules)
        current = await reservations.view(connection, tenant_id, reservation_id) or seen
        if current.status != "active":
            return refusals.not_active(reservation_id, current.status)
        scene = await look(connection, tenant_id, seen.space_id, now, self._rules)
        return next(one for one in scene.reservations if one.id == reservation_id)

    async def _may_move(
        self, connection: Connection, one: Reservation, starts_at: datetime, ends_at: datetime, now: datetime
    ) -> Refusal | None:
        """Why it cannot have this time instead; None when it can."""
        starts_elsewhere = starts_at != one.starts_at
        if starts_elsewhere and one.opened_at is not None:
            return refusals.start_is_fixed(one.opened_at)
        times = starts_at, ends_at
        error = time_error(*times, now, self._rules) if starts_elsewhere else end_error(*times, now)
        if error is not None:
            return invalid(error.field, error.message)
        conflicts = await reservations.conflicts(connection, one.tenant_id, one.space_id, *times, besides=one.id)
        if conflicts:
            return refusals.taken(conflicts)
        place = await places.find(connection, one.tenant_id, one.space_id)
        reason = objection(place, starts_at) if place and starts_elsewhere else ""
        return refusals.unfit(reason) if reason else None

    async def _answer(self, connection: Connection, one: Reservation) -> ReservationView | Refusal:
        shown = await reservations.view(connection, one.tenant_id, one.id)
        return shown if shown is not None else not_found("reservation", one.id)
