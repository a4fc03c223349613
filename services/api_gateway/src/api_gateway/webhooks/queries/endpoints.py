"""Endpoints and their secrets, for requests: in the request role, which writes secrets and cannot read them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection

_SHOWN = """
    id, url, description, event_types, site_ids, enabled, disabled_reason, active_from, failures, failing_since,
    created_at, updated_at
"""
_ONE = "WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL"


async def list_endpoints(
    connection: Connection, tenant_id: UUID, *, limit: int, offset: int
) -> tuple[int, Sequence[asyncpg.Record]]:
    """Endpoints, oldest first."""
    total = await connection.fetchval(
        "SELECT count(*) FROM gateway.webhook_endpoints WHERE tenant_id = $1 AND deleted_at IS NULL", tenant_id
    )
    rows = await connection.fetch(
        f"""
        SELECT {_SHOWN} FROM gateway.webhook_endpoints WHERE tenant_id = $1 AND deleted_at IS NULL
        ORDER BY id LIMIT $2 OFFSET $3
        """,  # noqa: S608
        tenant_id,
        limit,
        offset,
    )
    return total, rows


async def get_endpoint(connection: Connection, tenant_id: UUID, endpoint_id: UUID) -> asyncpg.Record | None:
    """One endpoint."""
    return await connection.fetchrow(
        f"SELECT {_SHOWN} FROM gateway.webhook_endpoints {_ONE}",  # noqa: S608
        tenant_id,
        endpoint_id,
    )


async def lock_endpoint(connection: Connection, tenant_id: UUID, endpoint_id: UUID) -> asyncpg.Record | None:
    """One endpoint that nobody else changes until the transaction ends."""
    return await connection.fetchrow(
        f"SELECT {_SHOWN} FROM gateway.webhook_endpoints {_ONE} FOR NO KEY UPDATE",  # noqa: S608
        tenant_id,
        endpoint_id,
    )


async def lock_tenant(connection: Connection, tenant_id: UUID) -> None:
    """Let one request at a time make endpoints for this tenant, so that the limit holds."""
    await connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"gateway.webhook_endpoints {tenant_id}"
    )


async def insert_endpoint(
    connection: Connection, tenant_id: UUID, secret: bytes, values: dict[str, Any]
) -> asyncpg.Record | None:
    """A new endpoint with its first secret; None when the id it was to have is taken."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO gateway.webhook_endpoints (tenant_id, id, url, description, event_types, site_ids)
        VALUES ($1, coalesce($2, uuidv7()), $3, $4, $5, $6) ON CONFLICT (tenant_id, id) DO NOTHING RETURNING {_SHOWN}
        """,  # noqa: S608
        tenant_id,
        values["id"],
        values["url"],
        values["description"],
        values["event_types"],
        values["site_ids"],
    )
    if row is not None:
        await _insert_secret(connection, tenant_id, row["id"], secret)
    return row


async def update_endpoint(
    connection: Connection, tenant_id: UUID, endpoint_id: UUID, values: dict[str, Any]
) -> asyncpg.Record | None:
    """Change what the tenant writes; None leaves a field. Enabled again, it begins anew, from now."""
    return await connection.fetchrow(
        f"""
        UPDATE gateway.webhook_endpoints
        SET url = coalesce($3, url), description = coalesce($4, description),
            event_types = coalesce($5, event_types), site_ids = coalesce($6, site_ids),
            enabled = coalesce($7, enabled),
            disabled_reason = CASE WHEN coalesce($7, enabled) THEN NULL
                ELSE coalesce(disabled_reason, 'disabled by a request') END,
            active_from = CASE WHEN $7 AND NOT enabled THEN now() ELSE active_from END,
            failures = CASE WHEN $7 AND NOT enabled THEN 0 ELSE failures END,
            failing_since = CASE WHEN $7 AND NOT enabled THEN NULL ELSE failing_since END,
            updated_at = clock_timestamp()
        {_ONE} RETURNING {_SHOWN}
        """,  # noqa: S608
        tenant_id,
        endpoint_id,
        *(values.get(name) for name in ("url", "description", "event_types", "site_ids", "enabled")),
    )


async def delete_endpoint(connection: Connection, tenant_id: UUID, endpoint_id: UUID) -> None:
    """Take an endpoint away: its secrets at once, itself when its deliveries are forgotten."""
    await connection.execute(
        "DELETE FROM gateway.webhook_secrets WHERE tenant_id = $1 AND endpoint_id = $2", tenant_id, endpoint_id
    )
    await connection.execute(
        f"UPDATE gateway.webhook_endpoints SET deleted_at = now() {_ONE}",  # noqa: S608
        tenant_id,
        endpoint_id,
    )


async def cancel_pending(connection: Connection, tenant_id: UUID, endpoint_id: UUID, why: str) -> None:
    """Nothing more goes to this endpoint, whose row the caller has locked."""
    await connection.execute(
        """
        UPDATE gateway.webhook_deliveries SET state = 'cancelled', finished_at = now(), last_error = $3
        WHERE tenant_id = $1 AND endpoint_id = $2 AND state = 'pending'
        """,
        tenant_id,
        endpoint_id,
        why,
    )
    await connection.execute(
        """
        UPDATE gateway.webhook_replays SET state = 'cut', finished_at = now()
        WHERE tenant_id = $1 AND endpoint_id = $2 AND state = 'running'
        """,
        tenant_id,
        endpoint_id,
    )


async def rotate_secret(
    connection: Connection, tenant_id: UUID, endpoint_id: UUID, secret: bytes, *, overlap_seconds: float
) -> datetime | None:
    """A new secret; the one before signs along for a while, the one before that no longer. Until when, if at all."""
    await connection.execute(
        """
        DELETE FROM gateway.webhook_secrets
        WHERE tenant_id = $1 AND endpoint_id = $2 AND (expires_at IS NOT NULL OR $3::float8 = 0)
        """,
        tenant_id,
        endpoint_id,
        overlap_seconds,
    )
    until = await connection.fetchval(
        """
        UPDATE gateway.webhook_secrets SET expires_at = now() + $3::float8 * interval '1 second'
        WHERE tenant_id = $1 AND endpoint_id = $2 RETURNING expires_at
        """,
        tenant_id,
        endpoint_id,
        overlap_seconds,
    )
    await _insert_secret(connection, tenant_id, endpoint_id, secret)
    return until  # type: ignore[no-any-return]  # what asyncpg makes of a timestamptz


async def _insert_secret(connection: Connection, tenant_id: UUID, endpoint_id: UUID, secret: bytes) -> None:
    await connection.execute(
        "INSERT INTO gateway.webhook_secrets (tenant_id, endpoint_id, secret) VALUES ($1, $2, $3)",
        tenant_id,
        endpoint_id,
        secret,
    )
