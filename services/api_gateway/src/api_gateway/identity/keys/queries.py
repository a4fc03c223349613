"""The SQL of a tenant's API keys, in a transaction of the tenant. A secret's digest goes in and never comes out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection

_KEY = "tenant_id, id, name, scopes, platform_admin, created_at, created_by, expires_at, last_used_at, revoked_at"
_KEYS = f"SELECT {_KEY} FROM gateway.api_keys"  # noqa: S608  the constant above
SORT_COLUMNS = ("name", "created_at", "last_used_at", "expires_at")


async def list_keys(
    connection: Connection, tenant_id: UUID, order: str, *, include_revoked: bool, limit: int, offset: int
) -> tuple[int, Sequence[asyncpg.Record]]:
    """The tenant's keys."""
    where = "FROM gateway.api_keys WHERE tenant_id = $1 AND ($2 OR revoked_at IS NULL)"
    total = await connection.fetchval(f"SELECT count(*) {where}", tenant_id, include_revoked)
    rows = await connection.fetch(
        f"SELECT {_KEY} {where} ORDER BY {order} LIMIT $3 OFFSET $4", tenant_id, include_revoked, limit, offset
    )
    return total, rows


async def get_key(connection: Connection, tenant_id: UUID, key_id: str) -> asyncpg.Record | None:
    """One key, revoked or not."""
    return await connection.fetchrow(f"{_KEYS} WHERE (tenant_id, id) = ($1, $2)", tenant_id, key_id)


async def insert_key(
    connection: Connection,
    tenant_id: UUID,
    key_id: str,
    digest: bytes,
    *,
    name: str,
    scopes: Sequence[str],
    platform_admin: bool,
    created_by: str,
    expires_at: datetime | None,
) -> asyncpg.Record:
    """A new key."""
    row = await connection.fetchrow(
        f"""
        INSERT INTO gateway.api_keys
            (tenant_id, id, secret_sha256, name, scopes, platform_admin, created_by, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING {_KEY}
        """,  # noqa: S608  the constant above
        tenant_id,
        key_id,
        digest,
        name,
        list(scopes),
        platform_admin,
        created_by,
        expires_at,
    )
    assert row is not None  # noqa: S101  it returns what it inserts
    return row


async def revoke_key(connection: Connection, tenant_id: UUID, key_id: str) -> bool:
    """End a key; false when there is none. Ending it again changes nothing."""
    found = await connection.fetchval(
        """
        UPDATE gateway.api_keys SET revoked_at = coalesce(revoked_at, now())
        WHERE (tenant_id, id) = ($1, $2) RETURNING true
        """,
        tenant_id,
        key_id,
    )
    return bool(found)


async def keys_made_by(connection: Connection, tenant_id: UUID, maker: str) -> Sequence[asyncpg.Record]:
    """Id and scopes of every live key that this user or key has made, and of those that these have made."""
    return await connection.fetch(
        """
        WITH RECURSIVE made AS (
            SELECT id, scopes, revoked_at FROM gateway.api_keys WHERE tenant_id = $1 AND created_by = $2
            UNION
            SELECT k.id, k.scopes, k.revoked_at FROM gateway.api_keys k
            JOIN made ON k.created_by = 'key:' || made.id WHERE k.tenant_id = $1
        )
        SELECT id, scopes FROM made WHERE revoked_at IS NULL
        """,
        tenant_id,
        maker,
    )
