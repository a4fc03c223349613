"""The clock of webhooks: what waits, whose backlog is too long, what is old enough to forget. In the batch role."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from parking_chassis.postgres import Connection

BATCH = 5_000


async def waiting(connection: Connection) -> Sequence[asyncpg.Record]:
    """Pending deliveries of each endpoint: how many, and since when the oldest one waits."""
    return await connection.fetch(
        """
        SELECT tenant_id, endpoint_id, count(*) AS count, min(created_at) AS oldest FROM gateway.webhook_deliveries
        WHERE state = 'pending' GROUP BY tenant_id, endpoint_id
        """
    )


async def forget(connection: Connection, keep_days: float) -> int:
    """Delete a portion of what is past its retention, with its attempts; how many deliveries went."""
    done = await connection.execute(
        """
        DELETE FROM gateway.webhook_deliveries WHERE (tenant_id, id) IN (
            SELECT tenant_id, id FROM gateway.webhook_deliveries
            WHERE created_at < now() - $1 * interval '1 day' ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED
        )
        """,
        keep_days,
        BATCH,
    )
    return int(done.rpartition(" ")[2])


async def forget_endpoints(connection: Connection) -> None:
    """Delete the endpoints that were taken away and have no delivery left, and secrets that no longer sign."""
    await connection.execute("DELETE FROM gateway.webhook_secrets WHERE expires_at < now()")
    await connection.execute(
        """
        DELETE FROM gateway.webhook_endpoints w WHERE deleted_at IS NOT NULL AND NOT EXISTS (
            SELECT FROM gateway.webhook_deliveries d WHERE d.tenant_id = w.tenant_id AND d.endpoint_id = w.id
        )
        """
    )


async def disable(connection: Connection, endpoint: asyncpg.Record, why: str) -> bool:
    """Disable an endpoint and cancel what waits for it; false when it was disabled already."""
    done = await connection.execute(
        """
        UPDATE gateway.webhook_endpoints SET enabled = false, disabled_reason = $3
        WHERE tenant_id = $1 AND id = $2 AND enabled
        """,
        endpoint["tenant_id"],
        endpoint["endpoint_id"],
        why,
    )
    await connection.execute(
        """
        UPDATE gateway.webhook_deliveries
        SET state = 'cancelled', finished_at = now(), last_error = 'the endpoint was disabled: ' || $3
        WHERE tenant_id = $1 AND endpoint_id = $2 AND state = 'pending'
        """,
        endpoint["tenant_id"],
        endpoint["endpoint_id"],
        why,
    )
    return done != "UPDATE 0"


async def cancel_stranded(connection: Connection) -> None:
    """Cancel what was written for an endpoint in the moment in which it was disabled or taken away."""
    await connection.execute(
        """
        UPDATE gateway.webhook_deliveries d
        SET state = 'cancelled', finished_at = now(), last_error = 'the endpoint was disabled'
        FROM gateway.webhook_endpoints w
        WHERE w.tenant_id = d.tenant_id AND w.id = d.endpoint_id AND d.state = 'pending' AND d.leased_until IS NULL
          AND (NOT w.enabled OR w.deleted_at IS NOT NULL)
        """
    )
