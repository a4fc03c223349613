"""The delivery log, and deliveries that a request asks for. In the request role."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection

_SHOWN = """
    id, endpoint_id, event_id, event_type, stream, sequence, replay, state, attempts,
    CASE WHEN state = 'pending' THEN next_attempt_at END AS next_attempt_at,
    last_attempt_at, last_status, last_error, created_at, finished_at
"""


async def list_deliveries(
    connection: Connection, tenant_id: UUID, endpoint_id: UUID, *, state: str | None, before: UUID | None, limit: int
) -> Sequence[asyncpg.Record]:
    """Deliveries to an endpoint, newest first."""
    return await connection.fetch(
        f"""
        SELECT {_SHOWN} FROM gateway.webhook_deliveries
        WHERE tenant_id = $1 AND endpoint_id = $2 AND ($3::text IS NULL OR state = $3)
          AND ($4::uuid IS NULL OR id < $4)
        ORDER BY id DESC LIMIT $5
        """,  # noqa: S608
        tenant_id,
        endpoint_id,
        state,
        before,
        limit,
    )


async def get_delivery(
    connection: Connection, tenant_id: UUID, endpoint_id: UUID, delivery_id: UUID
) -> asyncpg.Record | None:
    """One delivery with what is sent."""
    return await connection.fetchrow(
        f"""
        SELECT {_SHOWN}, body FROM gateway.webhook_deliveries
        WHERE tenant_id = $1 AND endpoint_id = $2 AND id = $3
        """,  # noqa: S608
        tenant_id,
        endpoint_id,
        delivery_id,
    )


async def list_attempts(connection: Connection, tenant_id: UUID, delivery_id: UUID) -> Sequence[asyncpg.Record]:
    """What became of each attempt, the newest 100 of them, in order."""
    rows = await connection.fetch(
        """
        SELECT number, started_at, seconds, status, error FROM gateway.webhook_attempts
        WHERE tenant_id = $1 AND delivery_id = $2 ORDER BY number DESC LIMIT 100
        """,
        tenant_id,
        delivery_id,
    )
    return rows[::-1]


async def insert_test(
    connection: Connection, tenant_id: UUID, endpoint_id: UUID, *, event_id: str, event_type: str, body: bytes
) -> UUID:
    """A delivery that no event of the bus stands behind, due now."""
    made = await connection.fetchval(
        """
        INSERT INTO gateway.webhook_deliveries (tenant_id, endpoint_id, event_id, event_type, body)
        VALUES ($1, $2, $3, $4, $5) RETURNING id
        """,
        tenant_id,
        endpoint_id,
        event_id,
        event_type,
        body,
    )
    return UUID(str(made))


async def retry_delivery(connection: Connection, tenant_id: UUID, endpoint_id: UUID, delivery_id: UUID) -> bool:
    """Due now, and the schedule of retries from its beginning; one under way is left alone. False: no such delivery."""
    done = await connection.execute(
        """
        UPDATE gateway.webhook_deliveries
        SET state = 'pending', finished_at = CASE WHEN leased_until > now() THEN finished_at END,
            tries = CASE WHEN leased_until > now() THEN tries ELSE 0 END,
            next_attempt_at = CASE WHEN leased_until > now() THEN next_attempt_at ELSE now() END
        WHERE tenant_id = $1 AND endpoint_id = $2 AND id = $3
        """,
        tenant_id,
        endpoint_id,
        delivery_id,
    )
    return done != "UPDATE 0"
