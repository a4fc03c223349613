"""The SQL of identity: tenants and their API keys. Functions take a connection and never commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection
from parking_chassis.retention import forget_old


async def find_key(connection: Connection, key_id: str) -> asyncpg.Record | None:
    """One API key by its id: the one look-up before the tenant is known."""
    return await connection.fetchrow("SELECT * FROM gateway.find_api_key($1)", key_id)


async def note_key_use(connection: Connection, tenant_id: UUID, key_id: str) -> None:
    """The key was used, for the first time in an hour."""
    await connection.execute(
        """
        UPDATE gateway.api_keys SET last_used_at = now()
        WHERE (tenant_id, id) = ($1, $2) AND coalesce(last_used_at < now() - interval '1 hour', true)
        """,
        tenant_id,
        key_id,
    )


async def live_keys(connection: Connection, key_ids: Sequence[str]) -> set[str]:
    """Which of these keys are neither revoked nor expired."""
    rows = await connection.fetch(
        """
        SELECT id FROM gateway.api_keys
        WHERE id = ANY($1) AND revoked_at IS NULL AND coalesce(expires_at > now(), true)
        """,
        key_ids,
    )
    return {row["id"] for row in rows}


async def lock_bootstrap(connection: Connection) -> None:
    """Let one process at a time make the first tenant, until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('gateway.bootstrap', 0))")


async def any_key(connection: Connection) -> bool:
    """Whether anybody can ask for anything yet."""
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM gateway.api_keys)"))


async def ensure_tenant(connection: Connection, name: str) -> UUID:
    """The oldest tenant of this name, made when there is none; the caller holds the bootstrap lock."""
    found = await connection.fetchval(
        "SELECT id FROM gateway.tenants WHERE name = $1 ORDER BY created_at LIMIT 1", name
    )
    made = found or await connection.fetchval("INSERT INTO gateway.tenants (name) VALUES ($1) RETURNING id", name)
    return UUID(str(made))


async def insert_key(connection: Connection, tenant_id: UUID, key_id: str, digest: bytes) -> None:
    """The first key: every scope, and the platform's admin."""
    await connection.execute(
        """
        INSERT INTO gateway.api_keys (tenant_id, id, name, secret_sha256, scopes, platform_admin)
        VALUES ($1, $2, 'bootstrap', $3, '{*}', true)
        """,
        tenant_id,
        key_id,
        digest,
    )


async def delete_old_answers(connection: Connection, *, keep: timedelta) -> None:
    """Forget the answers to requests that nobody repeats any more."""
    await forget_old(connection, "gateway.inbox", "answered_at < now() - $1::interval", keep)


async def any_user(connection: Connection, tenant_id: UUID) -> bool:
    """Whether anybody can log in to this tenant."""
    return bool(await connection.fetchval("SELECT EXISTS (SELECT FROM gateway.users WHERE tenant_id = $1)", tenant_id))


async def insert_platform_owner(connection: Connection, tenant_id: UUID, email: str, password_hash: str) -> bool:
    """The first user: owner of his tenant, and the platform's admin; false when the e-mail is taken."""
    made = await connection.fetchval(
        """
        INSERT INTO gateway.users (tenant_id, email, name, password_hash, role, platform_admin)
        VALUES ($1, $2, 'Owner', $3, 'owner', true) ON CONFLICT DO NOTHING RETURNING true
        """,
        tenant_id,
        email,
        password_hash,
    )
    return bool(made)
