"""How many reservations have not ended, for the metrics."""

from __future__ import annotations

import msgspec

from parking_chassis.postgres import Connection


class Live(msgspec.Struct, frozen=True):
    """Active reservations: those whose window is not open yet, the others, and those long past their end."""

    upcoming: int
    open: int
    overdue: int


async def count_live(connection: Connection) -> Live:
    """Of all tenants."""
    [row] = await connection.fetch(
        """
        SELECT count(*) FILTER (WHERE opened_at IS NULL), count(*) FILTER (WHERE opened_at IS NOT NULL),
               count(*) FILTER (WHERE ends_at < now() - interval '2 minutes')
        FROM reservation.reservations WHERE status = 'active'
        """
    )
    return Live(*row)
