"""How much is under way, for the metrics."""

from __future__ import annotations

import msgspec

from parking_chassis.postgres import Connection
from parking_contracts.downlink import DownlinkStatus

UNDER_WAY = (DownlinkStatus.QUEUED, DownlinkStatus.SENT, DownlinkStatus.TRANSMITTED)


class Backlog(msgspec.Struct, frozen=True):
    """Commands that have not ended, by status; displays to which something is to be sent."""

    commands: dict[str, int]
    displays_due: int


async def count_backlog(connection: Connection) -> Backlog:
    """Count."""
    rows = await connection.fetch(
        "SELECT status, count(*) FROM downlink.downlinks WHERE ended_at IS NULL GROUP BY status"
    )
    due: int = await connection.fetchval("SELECT count(*) FROM downlink.displays WHERE due_at IS NOT NULL")
    return Backlog(dict.fromkeys(UNDER_WAY, 0) | {row["status"]: row["count"] for row in rows}, due)
