"""What the doctor asks PostgreSQL; nothing is changed."""

from collections.abc import Collection

import asyncpg


async def setting(connection: asyncpg.Connection, name: str) -> str:
    """The value in effect of a configuration parameter."""
    value: str = await connection.fetchval("SELECT current_setting($1)", name)
    return value


async def has_migrations(connection: asyncpg.Connection) -> bool:
    """Whether a migration has ever run here."""
    return await connection.fetchval("SELECT to_regclass('parkstream.migrations')") is not None


async def roles_to_take(connection: asyncpg.Connection, names: Collection[str]) -> set[str]:
    """Those of `names` that exist and that the connected user may take."""
    rows = await connection.fetch(
        "SELECT rolname FROM pg_roles WHERE rolname = ANY($1) AND pg_has_role(current_user, oid, 'SET')", list(names)
    )
    return {row["rolname"] for row in rows}
