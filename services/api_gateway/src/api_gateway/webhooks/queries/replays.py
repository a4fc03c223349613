"""Replays: asked for by requests (request role), carried out page by page by whichever process gets there (batch)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from api_gateway.live.position import Position
from parking_chassis.postgres import Connection

_SHOWN = """
    id, endpoint_id, number, state, spaces_after, spaces_position, spaces_until, reservations_after,
    reservations_position, reservations_until, deliveries, lost, created_at, finished_at
"""


async def insert_replay(
    connection: Connection, tenant_id: UUID, endpoint_id: UUID, *, after: Position, until: Position, lost: bool
) -> asyncpg.Record | None:
    """A replay to be carried out; None while another one of this endpoint runs."""
    return await connection.fetchrow(
        f"""
        INSERT INTO gateway.webhook_replays (tenant_id, endpoint_id, spaces_after, spaces_position, spaces_until,
            reservations_after, reservations_position, reservations_until, lost)
        VALUES ($1, $2, $3, $3, $4, $5, $5, $6, $7)
        ON CONFLICT (tenant_id, endpoint_id) WHERE state = 'running' DO NOTHING RETURNING {_SHOWN}
        """,  # noqa: S608
        tenant_id,
        endpoint_id,
        after[0],
        until[0],
        after[1],
        until[1],
        lost,
    )


async def list_replays(connection: Connection, tenant_id: UUID, endpoint_id: UUID) -> Sequence[asyncpg.Record]:
    """The newest 100 replays of an endpoint."""
    return await connection.fetch(
        f"""
        SELECT {_SHOWN} FROM gateway.webhook_replays WHERE tenant_id = $1 AND endpoint_id = $2
        ORDER BY number DESC LIMIT 100
        """,  # noqa: S608
        tenant_id,
        endpoint_id,
    )


async def get_replay(
    connection: Connection, tenant_id: UUID, endpoint_id: UUID, replay_id: UUID
) -> asyncpg.Record | None:
    """One replay."""
    return await connection.fetchrow(
        f"SELECT {_SHOWN} FROM gateway.webhook_replays WHERE tenant_id = $1 AND endpoint_id = $2 AND id = $3",  # noqa: S608
        tenant_id,
        endpoint_id,
        replay_id,
    )


async def next_running(connection: Connection, passed: Sequence[UUID]) -> asyncpg.Record | None:
    """A replay to go on with, locked until the transaction ends, that nobody else is at; not one of those passed."""
    return await connection.fetchrow(
        f"""
        SELECT tenant_id, {_SHOWN} FROM gateway.webhook_replays
        WHERE state = 'running' AND id <> ALL($1) ORDER BY number LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
        """,  # noqa: S608
        passed,
    )


async def advance(connection: Connection, replay: asyncpg.Record, position: Position, made: int, state: str) -> None:
    """Note how far it has come, in the transaction of the deliveries it made."""
    await connection.execute(
        """
        UPDATE gateway.webhook_replays
        SET spaces_position = $3, reservations_position = $4, deliveries = deliveries + $5, state = $6,
            finished_at = CASE WHEN $6 <> 'running' THEN now() END
        WHERE tenant_id = $1 AND id = $2
        """,
        replay["tenant_id"],
        replay["id"],
        position[0],
        position[1],
        made,
        state,
    )
