"""All the SQL of the simulating and verifying commands: whose tenant, and what became of a replay.

In: a connection that may take the services' roles: row-level security shows the tables to nobody else, their owner
included. Out: plain values. Nothing here writes.
"""

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import asyncpg

from parking_simulator.comparison import FoundStay


async def _act_as(connection: asyncpg.Connection, service: str) -> None:
    await connection.execute("SELECT set_config('role', $1, false)", service)


async def tenants(connection: asyncpg.Connection) -> dict[UUID, str]:
    """The name of every tenant by id, the oldest first."""
    await _act_as(connection, "api_gateway")
    rows = await connection.fetch("SELECT id, name FROM gateway.tenants ORDER BY created_at, id")
    return {row["id"]: row["name"] for row in rows}


async def device_euis(connection: asyncpg.Connection, tenant_id: UUID) -> list[str]:
    """Every device that was heard in a tenant."""
    await _act_as(connection, "occupancy_engine")
    rows = await connection.fetch(
        "SELECT dev_eui FROM occupancy.devices WHERE tenant_id = $1 AND last_seen_at IS NOT NULL ORDER BY dev_eui",
        tenant_id,
    )
    return [row["dev_eui"] for row in rows]


async def stays_of_site(connection: asyncpg.Connection, tenant_id: UUID, site_id: UUID) -> dict[str, list[FoundStay]]:
    """The stays on every space of a site, by the space's code, in order."""
    await _act_as(connection, "occupancy_engine")
    rows = await connection.fetch(
        """
        SELECT space.code, extract(epoch FROM stay.arrived_at)::float8 AS arrived,
               extract(epoch FROM stay.departed_at)::float8 AS departed
        FROM occupancy.stays stay
        JOIN occupancy.spaces space ON space.tenant_id = stay.tenant_id AND space.id = stay.space_id
        WHERE space.tenant_id = $1 AND space.site_id = $2
        ORDER BY space.code, stay.arrived_at
        """,
        tenant_id,
        site_id,
    )
    stays: defaultdict[str, list[FoundStay]] = defaultdict(list)
    for row in rows:
        departed = int(row["departed"]) if row["departed"] is not None else None
        stays[row["code"]].append(FoundStay(int(row["arrived"]), departed))
    return stays


async def count_readings(connection: asyncpg.Connection, tenant_id: UUID, dev_euis: Sequence[str]) -> int:
    """How many readings these devices have."""
    await _act_as(connection, "occupancy_engine")
    count: int = await connection.fetchval(
        "SELECT count(*) FROM occupancy.sensor_readings WHERE tenant_id = $1 AND dev_eui = ANY($2)",
        tenant_id,
        dev_euis,
    )
    return count
