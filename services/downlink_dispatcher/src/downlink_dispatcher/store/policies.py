"""How a tenant's displays show states, where it is not the default.

In: a connection that acts for one tenant.
"""

from __future__ import annotations

from uuid import UUID

from downlink_dispatcher.domain.policy import Shade
from parking_chassis.postgres import Connection
from parking_contracts.downlink import PolicyEntry
from parking_contracts.space import SpaceState


async def set_policy(connection: Connection, tenant_id: UUID, entry: PolicyEntry) -> None:
    """Show a state so from now on."""
    await connection.execute(
        """
        INSERT INTO downlink.display_policies (tenant_id, state, colour, on_centiseconds, off_centiseconds)
        VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (tenant_id, state) DO UPDATE SET
            colour = excluded.colour, on_centiseconds = excluded.on_centiseconds,
            off_centiseconds = excluded.off_centiseconds, updated_at = now()
        """,
        tenant_id,
        entry.state,
        entry.colour,
        entry.on_centiseconds,
        entry.off_centiseconds,
    )


async def policy_of(connection: Connection, tenant_id: UUID) -> dict[SpaceState, Shade]:
    """What is not the default."""
    rows = await connection.fetch(
        """
        SELECT state, colour, on_centiseconds, off_centiseconds FROM downlink.display_policies WHERE tenant_id = $1
        """,
        tenant_id,
    )
    return {
        SpaceState(row["state"]): Shade(row["colour"], row["on_centiseconds"], row["off_centiseconds"]) for row in rows
    }


async def reset_policy(connection: Connection, tenant_id: UUID, state: str) -> None:
    """Show a state as by default from now on."""
    await connection.execute(
        "DELETE FROM downlink.display_policies WHERE tenant_id = $1 AND state = $2", tenant_id, state
    )
