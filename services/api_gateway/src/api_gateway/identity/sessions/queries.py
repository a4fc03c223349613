"""The SQL of sessions: users who log in, refresh tokens, signing keys. Functions take a connection and never commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection
from parking_chassis.retention import forget_old

Rows = Sequence[asyncpg.Record]


async def find_user(connection: Connection, email: str) -> asyncpg.Record | None:
    """Who logs in with this e-mail: tenant, id, password hash. Asked before the tenant is known."""
    return await connection.fetchrow("SELECT * FROM gateway.find_user($1)", email)


async def find_session(connection: Connection, session_id: UUID) -> asyncpg.Record | None:
    """Whose session it is, what the user's role is now, and whether it lives. Asked before the tenant is known."""
    return await connection.fetchrow("SELECT * FROM gateway.find_session($1)", session_id)


async def insert_session(
    connection: Connection,
    *,
    tenant_id: UUID,
    user_id: UUID,
    lives: timedelta,
    user_agent: str,
    address: str,
) -> UUID:
    """A new session; its id."""
    session_id = await connection.fetchval(
        """
        INSERT INTO gateway.sessions (tenant_id, user_id, expires_at, user_agent, address)
        VALUES ($1, $2, now() + $3::interval, $4, $5) RETURNING id
        """,
        tenant_id,
        user_id,
        lives,
        user_agent[:200],
        address[:50],
    )
    return UUID(str(session_id))


async def lock_session(connection: Connection, tenant_id: UUID, session_id: UUID) -> asyncpg.Record | None:
    """The session with its user, for one transaction alone: uses of its tokens come one after the other."""
    return await connection.fetchrow(
        """
        SELECT s.user_id, s.revoked_at IS NULL AND s.expires_at > now() AND u.disabled_at IS NULL AS is_alive
        FROM gateway.sessions s
        JOIN gateway.users u ON (u.tenant_id, u.id) = (s.tenant_id, s.user_id)
        WHERE (s.tenant_id, s.id) = ($1, $2)
        FOR NO KEY UPDATE OF s
        """,
        tenant_id,
        session_id,
    )


async def prolong_session(
    connection: Connection, tenant_id: UUID, session_id: UUID, *, idle: timedelta, lives: timedelta
) -> None:
    """It was used: it lives on for `idle`, but not past `lives` after its beginning."""
    await connection.execute(
        """
        UPDATE gateway.sessions
        SET last_used_at = now(), expires_at = least(created_at + $4::interval, now() + $3::interval)
        WHERE (tenant_id, id) = ($1, $2)
        """,
        tenant_id,
        session_id,
        idle,
        lives,
    )


async def revoke_session(connection: Connection, tenant_id: UUID, session_id: UUID, reason: str) -> None:
    """End one session."""
    await connection.execute(
        """
        UPDATE gateway.sessions SET revoked_at = now(), revoked_reason = $3
        WHERE (tenant_id, id) = ($1, $2) AND revoked_at IS NULL
        """,
        tenant_id,
        session_id,
        reason,
    )


async def revoke_sessions(
    connection: Connection, tenant_id: UUID, user_id: UUID, reason: str, *, but: UUID | None = None
) -> None:
    """End all sessions of a user, but the one named."""
    await connection.execute(
        """
        UPDATE gateway.sessions SET revoked_at = now(), revoked_reason = $3
        WHERE (tenant_id, user_id) = ($1, $2) AND revoked_at IS NULL AND id IS DISTINCT FROM $4
        """,
        tenant_id,
        user_id,
        reason,
        but,
    )


async def insert_refresh_token(connection: Connection, tenant_id: UUID, session_id: UUID, digest: bytes) -> None:
    """A token that can be used once."""
    await connection.execute(
        "INSERT INTO gateway.refresh_tokens (tenant_id, session_id, secret_sha256) VALUES ($1, $2, $3)",
        tenant_id,
        session_id,
        digest,
    )


async def get_refresh_token(
    connection: Connection, tenant_id: UUID, session_id: UUID, digest: bytes
) -> asyncpg.Record | None:
    """A token of a session that `lock_session` holds, and whether its successor, where it has one, was used."""
    return await connection.fetchrow(
        """
        SELECT t.used_at, t.used_key_sha256, t.salt, n.used_at IS NOT NULL AS is_successor_used
        FROM gateway.refresh_tokens t
        LEFT JOIN gateway.refresh_tokens n
            ON (n.tenant_id, n.session_id, n.secret_sha256) = (t.tenant_id, t.session_id, t.successor_sha256)
        WHERE (t.tenant_id, t.session_id, t.secret_sha256) = ($1, $2, $3)
        """,
        tenant_id,
        session_id,
        digest,
    )


async def use_refresh_token(
    connection: Connection,
    tenant_id: UUID,
    session_id: UUID,
    digest: bytes,
    *,
    successor: bytes,
    key: bytes | None,
    salt: bytes | None,
) -> None:
    """Note that a token was used, with which idempotency key (its digest), and what came after it."""
    await connection.execute(
        """
        UPDATE gateway.refresh_tokens
        SET used_at = now(), successor_sha256 = $4, used_key_sha256 = $5, salt = $6
        WHERE (tenant_id, session_id, secret_sha256) = ($1, $2, $3)
        """,
        tenant_id,
        session_id,
        digest,
        successor,
        key,
        salt,
    )


async def live_sessions(connection: Connection, session_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these sessions live, with a user who is not disabled."""
    rows = await connection.fetch(
        """
        SELECT s.id FROM gateway.sessions s
        JOIN gateway.users u ON (u.tenant_id, u.id) = (s.tenant_id, s.user_id)
        WHERE s.id = ANY($1) AND s.revoked_at IS NULL AND s.expires_at > now() AND u.disabled_at IS NULL
        """,
        session_ids,
    )
    return {row["id"] for row in rows}


async def delete_old_sessions(connection: Connection, *, keep: timedelta) -> None:
    """Forget sessions that ended `keep` ago, and with them their tokens.

    A used token stays as long as its session: whoever comes with it again, however late, must end the session.
    """
    await forget_old(connection, "gateway.sessions", "least(expires_at, revoked_at) < now() - $1::interval", keep)


async def list_signing_keys(connection: Connection) -> Rows:
    """The keys that still verify."""
    return await connection.fetch(
        "SELECT kid, private_key, signs_until, retires_at FROM gateway.signing_keys WHERE retires_at > now()"
    )


async def lock_signing_keys(connection: Connection) -> None:
    """Let one process at a time make a key, until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('gateway.signing_keys', 0))")


async def insert_signing_key(
    connection: Connection, kid: str, private_key: bytes, *, signs: timedelta, verifies: timedelta
) -> None:
    """A new key."""
    await connection.execute(
        """
        INSERT INTO gateway.signing_keys (kid, private_key, signs_until, retires_at)
        VALUES ($1, $2, now() + $3::interval, now() + $4::interval)
        """,
        kid,
        private_key,
        signs,
        verifies,
    )


async def delete_retired_keys(connection: Connection) -> None:
    """Forget the keys whose tokens are all dead."""
    await connection.execute("DELETE FROM gateway.signing_keys WHERE retires_at < now()")
