"""Reservation rows: made, read, changed. Whoever writes holds the lock of the space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from parking_chassis.postgres import Connection
from parking_contracts.command import Command
from parking_contracts.reservation_commands import Booking, Conflict, ReservationView
from reservation_service.domain.reservation import Reservation

# Longer than any window: an arrival that is told twice finds whom it has checked in.
REMEMBERED = timedelta(days=2)
CONFLICTS_SHOWN = 20

_RULED = ", ".join(Reservation.__struct_fields__)
_SHOWN = ", ".join(ReservationView.__struct_fields__)


async def insert(
    connection: Connection, command: Command[Any], space_id: UUID, booking: Booking, now: datetime
) -> ReservationView | None:
    """A new reservation; None where an active one overlaps it."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO reservation.reservations (tenant_id, space_id, starts_at, ends_at, email, phone, metadata,
            created_by, request_id, created_at, updated_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)
        ON CONFLICT DO NOTHING RETURNING {_SHOWN}
        """,  # noqa: S608  the names of a Struct's fields
        command.tenant_id,
        space_id,
        booking.starts_at,
        booking.ends_at,
        booking.email,
        booking.phone,
        booking.metadata,
        command.caller,
        command.request_id,
        now,
    )
    return _view(row) if row is not None else None


async def conflicts(
    connection: Connection,
    tenant_id: UUID,
    space_id: UUID,
    starts_at: datetime,
    ends_at: datetime,
    *,
    besides: UUID | None = None,
) -> list[Conflict]:
    """The times within this one in which the space is taken, the first 20; one reservation may be left out."""
    rows = await connection.fetch(
        """
        SELECT starts_at, ends_at FROM reservation.reservations
        WHERE tenant_id = $1 AND space_id = $2 AND status = 'active' AND during && tstzrange($3, $4, '[)')
          AND id IS DISTINCT FROM $5
        ORDER BY starts_at LIMIT $6
        """,
        tenant_id,
        space_id,
        starts_at,
        ends_at,
        besides,
        CONFLICTS_SHOWN,
    )
    return [Conflict(starts_at=row["starts_at"], ends_at=row["ends_at"]) for row in rows]


async def view(connection: Connection, tenant_id: UUID, reservation_id: UUID) -> ReservationView | None:
    """The reservation as its tenant sees it."""
    row = await connection.fetchrow(
        f"SELECT {_SHOWN} FROM reservation.reservations WHERE tenant_id = $1 AND id = $2",  # noqa: S608
        tenant_id,
        reservation_id,
    )
    return _view(row) if row is not None else None


async def of_space(connection: Connection, tenant_id: UUID, space_id: UUID, now: datetime) -> tuple[Reservation, ...]:
    """The space's active reservations and those of the last two days, by start."""
    rows = await connection.fetch(
        f"""
        SELECT {_RULED} FROM reservation.reservations
        WHERE tenant_id = $1 AND space_id = $2 AND (status = 'active' OR ends_at > $3)
        ORDER BY starts_at, id
        """,  # noqa: S608
        tenant_id,
        space_id,
        now - REMEMBERED,
    )
    return tuple(msgspec.convert(dict(row), Reservation) for row in rows)


async def write(connection: Connection, changed: Iterable[Reservation], now: datetime) -> None:
    """How far these have come; each counts a version."""
    for one in changed:
        await connection.execute(
            """
            UPDATE reservation.reservations SET status = $3, opened_at = $4, checked_in_at = $5, checked_in_by = $6,
                obstructed_at = $7, cleared_at = $8, overstayed_at = $9, ended_at = $10, cancel_reason = $11,
                updated_at = $12, version = version + 1
            WHERE tenant_id = $1 AND id = $2
            """,
            one.tenant_id,
            one.id,
            one.status,
            one.opened_at,
            one.checked_in_at,
            one.checked_in_by,
            one.obstructed_at,
            one.cleared_at,
            one.overstayed_at,
            one.ended_at,
            one.cancel_reason,
            now,
        )


async def write_details(
    connection: Connection, tenant_id: UUID, reservation_id: UUID, changes: Mapping[str, Any], now: datetime
) -> None:
    """Change the named ones of starts_at, ends_at, email, phone, metadata; counts a version."""
    known = [name for name in ("starts_at", "ends_at", "email", "phone", "metadata") if name in changes]
    assignments = "".join(f"{name} = ${number}, " for number, name in enumerate(known, 4))
    if {"email", "phone", "metadata"} & changes.keys():
        assignments += "erased_at = NULL, "  # there may be a person again, to be pruned in time
    await connection.execute(
        f"""
        UPDATE reservation.reservations SET {assignments} updated_at = $3, version = version + 1
        WHERE tenant_id = $1 AND id = $2
        """,  # noqa: S608  column names from the tuple above
        tenant_id,
        reservation_id,
        now,
        *(changes[name] for name in known),
    )


def views(rows: Sequence[asyncpg.Record]) -> list[ReservationView]:
    """Rows that have every column a view shows."""
    return [_view(row) for row in rows]


def _view(row: asyncpg.Record) -> ReservationView:
    return msgspec.convert(dict(row), ReservationView)
