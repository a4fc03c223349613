"""The rows of commands and their histories, and how a row becomes what clients see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from parking_chassis.postgres import Connection
from parking_contracts.downlink import DownlinkStatus, DownlinkView

DOWNLINK_COLUMNS = ", ".join(DownlinkView.__struct_fields__)
"""What `read_view` reads, of downlink.downlinks."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a command: it took on a status, or something is to be said of the one it has."""

    tenant_id: UUID
    downlink_id: UUID
    at: datetime
    status: DownlinkStatus
    detail: str = ""


def read_view(row: Mapping[str, Any]) -> DownlinkView:
    """A row of DOWNLINK_COLUMNS as clients see it."""
    return DownlinkView(
        **{name: row[name] for name in DownlinkView.__struct_fields__}
        | {"payload": row["payload"].hex(), "status": DownlinkStatus(row["status"])}
    )


async def add_step(
    connection: Connection, tenant_id: UUID, downlink_id: UUID, at: datetime, status: DownlinkStatus, detail: str = ""
) -> None:
    """Add to a command's history."""
    step = Step(tenant_id=tenant_id, downlink_id=downlink_id, at=at, status=status, detail=detail)
    await add_steps(connection, [step])


async def add_steps(connection: Connection, steps: Sequence[Step]) -> None:
    """Add to the histories of several commands, in order."""
    if steps:
        await connection.execute(
            """
            INSERT INTO downlink.downlink_steps (tenant_id, downlink_id, at, status, detail)
            SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[])
            """,
            [step.tenant_id for step in steps],
            [step.downlink_id for step in steps],
            [step.at for step in steps],
            [step.status.value for step in steps],
            [step.detail for step in steps],
        )
