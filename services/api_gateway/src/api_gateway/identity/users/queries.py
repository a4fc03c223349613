"""The SQL of users, in a transaction of their tenant."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection

_USER = "tenant_id, id, email, name, role, platform_admin, created_at, updated_at, disabled_at"
_USERS = f"SELECT {_USER} FROM gateway.users"  # noqa: S608  the constant above
SORT_COLUMNS = ("email", "name", "role", "created_at")


async def list_users(
    connection: Connection, tenant_id: UUID, order: str, limit: int, offset: int
) -> tuple[int, Sequence[asyncpg.Record]]:
    """The tenant's users."""
    total = await connection.fetchval("SELECT count(*) FROM gateway.users WHERE tenant_id = $1", tenant_id)
    rows = await connection.fetch(
        f"{_USERS} WHERE tenant_id = $1 ORDER BY {order} LIMIT $2 OFFSET $3",
        tenant_id,
        limit,
        offset,
    )
    return total, rows


async def get_user(connection: Connection, tenant_id: UUID, user_id: UUID) -> asyncpg.Record | None:
    """One user."""
    return await connection.fetchrow(f"{_USERS} WHERE (tenant_id, id) = ($1, $2)", tenant_id, user_id)


async def lock_user(connection: Connection, tenant_id: UUID, user_id: UUID) -> asyncpg.Record | None:
    """One user, to be changed by this transaction alone; the tenant's owners wait with him, as one must remain."""
    rows = await connection.fetch(
        f"""
        {_USERS}
        WHERE tenant_id = $1 AND (role = 'owner' OR id = $2)
        ORDER BY id FOR NO KEY UPDATE
        """,
        tenant_id,
        user_id,
    )
    return next((row for row in rows if row["id"] == user_id), None)


async def count_other_owners(connection: Connection, tenant_id: UUID, user_id: UUID) -> int:
    """How many owners there are who can log in, but this one."""
    count = await connection.fetchval(
        """
        SELECT count(*) FROM gateway.users
        WHERE tenant_id = $1 AND id <> $2 AND role = 'owner' AND disabled_at IS NULL
        """,
        tenant_id,
        user_id,
    )
    return int(count)


async def insert_user(
    connection: Connection, tenant_id: UUID, *, email: str, name: str, password_hash: str, role: str
) -> asyncpg.Record | None:
    """A new user; None when the e-mail is taken, by whomever."""
    return await connection.fetchrow(
        f"""
        INSERT INTO gateway.users (tenant_id, email, name, password_hash, role) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT DO NOTHING RETURNING {_USER}
        """,  # noqa: S608  the constant above
        tenant_id,
        email,
        name,
        password_hash,
        role,
    )


async def update_user(
    connection: Connection,
    tenant_id: UUID,
    user_id: UUID,
    *,
    name: str | None,
    role: str | None,
    disabled: bool | None,
    password_hash: str | None,
) -> asyncpg.Record:
    """Change what is not None; who is disabled already stays so since then."""
    row = await connection.fetchrow(
        f"""
        UPDATE gateway.users SET
            name = coalesce($3, name), role = coalesce($4, role), password_hash = coalesce($6, password_hash),
            disabled_at = CASE WHEN $5 THEN coalesce(disabled_at, now()) WHEN NOT $5 THEN NULL ELSE disabled_at END,
            updated_at = clock_timestamp()
        WHERE (tenant_id, id) = ($1, $2) RETURNING {_USER}
        """,  # noqa: S608  the constant above
        tenant_id,
        user_id,
        name,
        role,
        disabled,
        password_hash,
    )
    assert row is not None  # noqa: S101  the caller holds its lock
    return row


async def get_password_hash(connection: Connection, tenant_id: UUID, user_id: UUID) -> str | None:
    """What the user's password must fit."""
    stored: str | None = await connection.fetchval(
        "SELECT password_hash FROM gateway.users WHERE (tenant_id, id) = ($1, $2)", tenant_id, user_id
    )
    return stored


async def hold_password(connection: Connection, tenant_id: UUID, user_id: UUID, password_hash: str) -> bool:
    """Whether the user is not disabled and has this very hash, which stays so until the transaction ends."""
    found = await connection.fetchval(
        """
        SELECT true FROM gateway.users
        WHERE (tenant_id, id) = ($1, $2) AND password_hash = $3 AND disabled_at IS NULL FOR NO KEY UPDATE
        """,
        tenant_id,
        user_id,
        password_hash,
    )
    return bool(found)


async def set_password_hash(connection: Connection, tenant_id: UUID, user_id: UUID, password_hash: str) -> None:
    """Another hash of the same password, or of a new one."""
    await connection.execute(
        "UPDATE gateway.users SET password_hash = $3 WHERE (tenant_id, id) = ($1, $2)",
        tenant_id,
        user_id,
        password_hash,
    )


async def delete_user(connection: Connection, tenant_id: UUID, user_id: UUID) -> None:
    """Remove a user with his sessions; what he did stays in the audit log under his id."""
    await connection.execute("DELETE FROM gateway.users WHERE (tenant_id, id) = ($1, $2)", tenant_id, user_id)
