"""The SQL of the audit log: entries and their outcomes are inserted and read, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection


async def insert_entry(
    connection: Connection,
    *,
    tenant_id: UUID | None,
    actor: str,
    action: str,
    path: str,
    request_id: str,
    address: str,
) -> UUID:
    """A new entry; its id."""
    entry_id = await connection.fetchval(
        """
        INSERT INTO gateway.audit_log (tenant_id, actor, action, path, request_id, address)
        VALUES ($1, $2, $3, $4, $5, $6) RETURNING id
        """,
        tenant_id,
        actor,
        action,
        path,
        request_id,
        address,
    )
    return UUID(str(entry_id))


async def insert_outcome(connection: Connection, entry_id: UUID, tenant_id: UUID | None, status: int) -> None:
    """How an entry ended; its commit does not wait for the disk."""
    await connection.execute(
        """
        WITH hurried AS (SELECT set_config('synchronous_commit', 'off', true))
        INSERT INTO gateway.audit_outcomes (audit_id, tenant_id, status) SELECT $1, $2, $3 FROM hurried
        """,
        entry_id,
        tenant_id,
        status,
    )


async def list_entries(
    connection: Connection,
    tenant_id: UUID,
    *,
    platform_admin: bool,
    actor: str | None,
    action: str | None,
    since: datetime | None,
    until: datetime | None,
    before: UUID | None,
    limit: int,
) -> Sequence[asyncpg.Record]:
    """Entries, newest first, from behind `before`; a platform admin also sees those that have no tenant."""
    return await connection.fetch(
        """
        SELECT l.id, l.at, l.actor, l.action, l.path, l.request_id, l.address, o.status, o.at AS ended_at
        FROM gateway.audit_log l
        LEFT JOIN gateway.audit_outcomes o ON o.audit_id = l.id
        WHERE (l.tenant_id = $1 OR ($2 AND l.tenant_id IS NULL))
          AND ($3::text IS NULL OR l.actor = $3) AND ($4::text IS NULL OR l.action = $4)
          AND ($5::timestamptz IS NULL OR l.at >= $5) AND ($6::timestamptz IS NULL OR l.at < $6)
          AND ($7::uuid IS NULL OR l.id < $7)
        ORDER BY l.id DESC LIMIT $8
        """,
        tenant_id,
        platform_admin,
        actor,
        action,
        since,
        until,
        before,
        limit,
    )


async def forget_entries(connection: Connection, *, keep: timedelta) -> int:
    """Let up to 10,000 entries older than `keep` go; answers how many did."""
    gone: int = await connection.fetchval("SELECT gateway.forget_audit($1)", keep)
    return gone
