"""The SQL behind the reads of display policies, through the directory their owner grants."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection


async def list_policies(connection: Connection, tenant_id: UUID) -> Sequence[asyncpg.Record]:
    """What the tenant has set; other states are shown by default."""
    return await connection.fetch(
        """
        SELECT state, colour, on_centiseconds, off_centiseconds, false AS is_default
        FROM downlink.policy_directory WHERE tenant_id = $1
        """,
        tenant_id,
    )
