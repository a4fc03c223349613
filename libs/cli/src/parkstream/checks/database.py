"""PostgreSQL: reachable, new enough, migrated, with the services' roles, and keeping what it confirms."""

from collections.abc import AsyncIterator

import asyncpg

from parkstream.checks import Finding, queries
from parkstream.errors import OperatorError
from parkstream.migrate import connect, migrations_dir, pending_migrations, read_migrations

OLDEST_VERSION = 18  # uuidv7()
SERVICES = ("api_gateway", "occupancy_engine", "reservation_service", "downlink_dispatcher")
ROLES = (*SERVICES, *(f"{service}_request" for service in SERVICES))


async def check_database(database_url: str) -> AsyncIterator[Finding]:
    """Findings about the database at this URL."""
    try:
        connection = await connect(database_url)
    except OperatorError as error:
        yield Finding("PostgreSQL", error.problem, error.remedy)
        return
    try:
        version = connection.get_server_version()
        old = version.major < OLDEST_VERSION
        state = f"{version.major}.{version.minor} at {database_url.rpartition('@')[2]}"
        yield Finding("PostgreSQL", state, f"Use PostgreSQL {OLDEST_VERSION} or newer" if old else "")
        yield await _durability(connection)
        yield await _migrations(connection)
        yield await _roles(connection)
    finally:
        await connection.close()


async def _durability(connection: asyncpg.Connection) -> Finding:
    values = [await queries.setting(connection, name) for name in ("fsync", "synchronous_commit")]
    risky = values[0] == "off" or values[1] == "off"
    remedy = "Turn both on: what is acknowledged may be lost otherwise" if risky else ""
    return Finding("durability", f"fsync {values[0]}, synchronous_commit {values[1]}", remedy)


async def _migrations(connection: asyncpg.Connection) -> Finding:
    try:
        known = read_migrations(migrations_dir())
        if not await queries.has_migrations(connection):
            return Finding("migrations", "none applied", "Run: parkstream migrate")
        pending = await pending_migrations(connection, known)
    except OperatorError as error:
        return Finding("migrations", error.problem, error.remedy)
    if pending:
        return Finding("migrations", f"{len(pending)} of {len(known)} not applied", "Run: parkstream migrate")
    return Finding("migrations", f"all {len(known)} applied")


async def _roles(connection: asyncpg.Connection) -> Finding:
    if missing := sorted(set(ROLES) - await queries.roles_to_take(connection, ROLES)):
        remedy = "Run: parkstream migrate; or GRANT them to the user of PARKSTREAM_DATABASE_URL"
        return Finding("roles", f"missing or not granted: {', '.join(missing)}", remedy)
    return Finding("roles", f"all {len(ROLES)} can be taken")
