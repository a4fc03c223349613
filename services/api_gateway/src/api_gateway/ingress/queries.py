"""The SQL of ingress credentials. Functions take a connection and never commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal
from uuid import UUID

import asyncpg

from parking_chassis.postgres import Connection

_SHOWN = "id, source, application_ids, previous_token_until, previous_signing_until, created_at, revoked_at"
# Of each kind of secret: its column, that of the one before it, and how long that one is still good.
Kind = Literal["token", "signing_secret"]
_COLUMNS: dict[Kind, tuple[str, str, str]] = {
    "token": ("token_sha256", "previous_token_sha256", "previous_token_until"),
    "signing_secret": ("signing_secret", "previous_signing_secret", "previous_signing_until"),
}


async def find_credential(connection: Connection, credential_id: str) -> asyncpg.Record | None:
    """One credential with its secrets, before the tenant is known."""
    return await connection.fetchrow("SELECT * FROM gateway.find_ingress_credential($1)", credential_id)


async def tenant_of_application(connection: Connection, source: str, application_id: str) -> UUID | None:
    """Whose application this is; None while it is nobody's."""
    tenant_id: UUID | None = await connection.fetchval(
        "SELECT gateway.tenant_of_application($1, $2)", source, application_id
    )
    return tenant_id


async def list_credentials(
    connection: Connection, tenant_id: UUID, *, include_revoked: bool, limit: int, offset: int
) -> tuple[int, Sequence[asyncpg.Record]]:
    """The tenant's credentials, by source; none of their secrets."""
    where = "FROM gateway.ingress_credentials WHERE tenant_id = $1 AND ($2 OR revoked_at IS NULL)"
    total = await connection.fetchval(f"SELECT count(*) {where}", tenant_id, include_revoked)
    rows = await connection.fetch(
        f"SELECT {_SHOWN} {where} ORDER BY source, created_at LIMIT $3 OFFSET $4",
        tenant_id,
        include_revoked,
        limit,
        offset,
    )
    return total, rows


async def get_credential(connection: Connection, tenant_id: UUID, credential_id: str) -> asyncpg.Record | None:
    """One credential, revoked or not."""
    return await connection.fetchrow(
        f"SELECT {_SHOWN} FROM gateway.ingress_credentials WHERE (tenant_id, id) = ($1, $2)",  # noqa: S608
        tenant_id,
        credential_id,
    )


async def is_source_taken(connection: Connection, tenant_id: UUID, source: str) -> bool:
    """Whether the tenant may not call an integration so."""
    return bool(await connection.fetchval("SELECT gateway.source_is_taken($1, $2)", source, tenant_id))


async def insert_credential(
    connection: Connection,
    tenant_id: UUID,
    credential_id: str,
    *,
    source: str,
    application_ids: Sequence[str] | None,
    token_sha256: bytes,
    signing_secret: bytes,
) -> asyncpg.Record | None:
    """A new credential; None when another one took the source at the same moment."""
    return await connection.fetchrow(
        f"""
        INSERT INTO gateway.ingress_credentials
            (tenant_id, id, source, application_ids, token_sha256, signing_secret)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (source) WHERE revoked_at IS NULL DO NOTHING RETURNING {_SHOWN}
        """,  # noqa: S608
        tenant_id,
        credential_id,
        source,
        application_ids,
        token_sha256,
        signing_secret,
    )


async def set_applications(
    connection: Connection, tenant_id: UUID, credential_id: str, application_ids: Sequence[str] | None
) -> asyncpg.Record | None:
    """Let it cover these applications from now on; None when there is no such live credential."""
    return await connection.fetchrow(
        f"""
        UPDATE gateway.ingress_credentials SET application_ids = $3
        WHERE (tenant_id, id) = ($1, $2) AND revoked_at IS NULL RETURNING {_SHOWN}
        """,  # noqa: S608
        tenant_id,
        credential_id,
        application_ids,
    )


async def replace_secret(
    connection: Connection, tenant_id: UUID, credential_id: str, kind: Kind, secret: bytes, keep_old: timedelta
) -> asyncpg.Record | None:
    """A new secret; the one before it stays good for a while, and any older one no longer."""
    current, previous, until = _COLUMNS[kind]
    return await connection.fetchrow(
        f"""
        UPDATE gateway.ingress_credentials SET {previous} = {current}, {until} = now() + $4, {current} = $3
        WHERE (tenant_id, id) = ($1, $2) AND revoked_at IS NULL RETURNING {_SHOWN}
        """,  # noqa: S608  column names from the constant above
        tenant_id,
        credential_id,
        secret,
        keep_old,
    )


async def revoke(connection: Connection, tenant_id: UUID, credential_id: str) -> bool:
    """End a credential at once; false when there is no such one."""
    return bool(
        await connection.fetchval(
            """
            UPDATE gateway.ingress_credentials SET revoked_at = coalesce(revoked_at, now())
            WHERE (tenant_id, id) = ($1, $2) RETURNING true
            """,
            tenant_id,
            credential_id,
        )
    )
