"""How much is under way, and which LoRaWAN gateways are there to send it, for the metrics."""

from __future__ import annotations

from typing import get_args

import msgspec

from parking_chassis.postgres import Connection
from parking_contracts.downlink import DownlinkStatus
from parking_contracts.network import GatewayState

UNDER_WAY = (DownlinkStatus.QUEUED, DownlinkStatus.SENT, DownlinkStatus.TRANSMITTED)


class Backlog(msgspec.Struct, frozen=True):
    """Commands that have not ended, by status; displays to which something is to be sent; LoRaWAN gateways by state."""

    commands: dict[str, int]
    displays_due: int
    gateways: dict[str, int]


async def count_backlog(connection: Connection) -> Backlog:
    """Count."""
    rows = await connection.fetch(
        "SELECT status, count(*) FROM downlink.downlinks WHERE ended_at IS NULL GROUP BY status"
    )
    due: int = await connection.fetchval("SELECT count(*) FROM downlink.displays WHERE due_at IS NOT NULL")
    gateways = await connection.fetch("SELECT state, count(*) FROM downlink.gateways GROUP BY state")
    return Backlog(
        dict.fromkeys(UNDER_WAY, 0) | {row["status"]: row["count"] for row in rows},
        due,
        dict.fromkeys(get_args(GatewayState), 0) | {row["state"]: row["count"] for row in gateways},
    )
