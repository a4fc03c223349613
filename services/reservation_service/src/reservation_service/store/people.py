"""Personal data: found, forgotten, and pruned. It stands in the reservations and in the answers kept for retries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from parking_chassis.postgres import Connection
from parking_chassis.retention import forget_old
from parking_contracts.reservation_commands import ReservationView
from reservation_service.store.reservations import views

PRUNED_AT_ONCE = 1000
_SHOWN = ", ".join(ReservationView.__struct_fields__)
# One condition per index: OR'ed in one WHERE they would be a scan.
_OF_PERSON = """
    SELECT tenant_id, id, space_id FROM reservation.reservations WHERE tenant_id = $1 AND lower(email) = lower($2)
    UNION
    SELECT tenant_id, id, space_id FROM reservation.reservations WHERE tenant_id = $1 AND phone = $3
"""


async def reservations_of(
    connection: Connection, tenant_id: UUID, email: str | None, phone: str | None
) -> list[ReservationView]:
    """The reservations with this e-mail (in any case) or this phone, newest first."""
    rows = await connection.fetch(
        f"""
        SELECT {_SHOWN} FROM reservation.reservations
        WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM ({_OF_PERSON}) AS found)
        ORDER BY starts_at DESC, id DESC
        """,  # noqa: S608  the constants above
        tenant_id,
        email,
        phone,
    )
    return views(rows)


async def erase(
    connection: Connection, tenant_id: UUID, email: str | None, phone: str | None, now: datetime
) -> list[UUID]:
    """Strip the reservations of e-mail, phone and every free text; answers which.

    Without the locks of their spaces, which may be thousands: no time and no status changes.
    """
    rows = await connection.fetch(
        f"""
        UPDATE reservation.reservations
        SET email = NULL, phone = NULL, metadata = '{{}}', cancel_reason = '', erased_at = $4, updated_at = $4,
            version = version + 1
        WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM ({_OF_PERSON}) AS found) RETURNING id
        """,  # noqa: S608
        tenant_id,
        email,
        phone,
        now,
    )
    return [row["id"] for row in rows]


async def forget_answers(
    connection: Connection, tenant_id: UUID, reservations: Sequence[UUID], *details: str | None
) -> None:
    """Drop the kept answers that show one of these reservations, or one of these details in any case."""
    # As JSON spells them, without the quotes.
    texts = [msgspec.json.encode(detail).decode()[1:-1].lower() for detail in details if detail]
    await connection.execute(
        """
        WITH kept AS (
            SELECT idempotency_key, caller, lower(convert_from(reply, 'UTF8')) AS reply FROM reservation.inbox
            WHERE tenant_id = $1
        )
        DELETE FROM reservation.inbox i USING kept
        WHERE i.tenant_id = $1 AND (i.caller, i.idempotency_key) = (kept.caller, kept.idempotency_key) AND (
            EXISTS (SELECT FROM unnest($3::text[]) AS detail WHERE position(detail IN kept.reply) > 0)
            OR substring(kept.reply FROM '"id":"([0-9a-f-]{36})"') = ANY($2::text[]))
        """,
        tenant_id,
        [str(one) for one in reservations],
        texts,
    )


async def prune(connection: Connection, before: datetime, now: datetime, *, tenant_id: UUID | None = None) -> int:
    """Strip up to 1,000 reservations that ended before then; answers how many."""
    status = await connection.execute(
        """
        UPDATE reservation.reservations
        SET email = NULL, phone = NULL, metadata = '{}', cancel_reason = '', erased_at = $2, updated_at = $2,
            version = version + 1
        WHERE (tenant_id, id) IN (
            SELECT tenant_id, id FROM reservation.reservations
            WHERE status <> 'active' AND erased_at IS NULL AND ends_at < $1 AND ($3::uuid IS NULL OR tenant_id = $3)
            ORDER BY ends_at LIMIT $4 FOR UPDATE SKIP LOCKED)
        """,
        before,
        now,
        tenant_id,
        PRUNED_AT_ONCE,
    )
    return int(status.rpartition(" ")[2])


async def prune_answers(connection: Connection, keep: timedelta) -> None:
    """Drop the answers that nobody will ask for again."""
    await forget_old(connection, "reservation.inbox", "answered_at < now() - $1::interval", keep)
