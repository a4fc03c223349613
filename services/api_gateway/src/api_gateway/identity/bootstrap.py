"""The first tenant with its API key and its owner, made once: without them nobody could ask for anything.

A given key is registered if its id is absent. Without one, and with no key in the database, a key is made and printed
once to stderr. A given owner is made if the tenant has no user yet, and is the platform's admin. Safe for replicas that
start together: an advisory lock lets one of them do it.
"""

from __future__ import annotations

import asyncio
import sys

import asyncpg
import structlog

from api_gateway.identity import queries
from api_gateway.identity.api_keys import make_key, parse_key
from api_gateway.identity.passwords import Passwords
from api_gateway.settings import Settings
from parking_chassis.postgres import DATABASE_AWAY, Connection, Pool

log = structlog.get_logger()

RETRY_SECONDS = 1.0
_NOT_MIGRATED = (
    asyncpg.UndefinedTableError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InvalidParameterValueError,  # the role does not exist yet
    asyncpg.InvalidCatalogNameError,
)


class Bootstrap:
    """Runs until it has succeeded once; a database that is away or not migrated yet is waited for."""

    def __init__(self, pool: Pool, settings: Settings, passwords: Passwords) -> None:
        self._pool = pool
        self._settings = settings
        self._passwords = passwords
        self._problem: str | None = "bootstrap: not done yet"

    async def check(self) -> str | None:
        """A health check: what the first tenant is waiting for."""
        return self._problem

    async def run(self) -> None:
        """Make what is missing."""
        while True:
            try:
                async with self._pool.acquire(timeout=self._settings.database_acquire_seconds) as connection:
                    made = await ensure_first_key(connection, self._settings)
                    await ensure_first_owner(connection, self._settings, self._passwords)
            except _NOT_MIGRATED as error:
                self._wait_for(f"bootstrap: the database is not migrated ({error}); run `parkstream migrate`")
            except DATABASE_AWAY as error:
                self._wait_for(f"bootstrap: the database is not reachable ({type(error).__name__})")
            else:
                break
            await asyncio.sleep(RETRY_SECONDS)
        self._problem = None
        if made is not None:
            sys.stderr.write(f"API key of tenant {self._settings.bootstrap_tenant!r}, shown this once: {made}\n")
            sys.stderr.flush()

    def _wait_for(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("bootstrap_waiting", problem=problem)
        self._problem = problem


async def ensure_first_key(connection: Connection, settings: Settings) -> str | None:
    """Register the given key, or make one where there is none at all; the key that was made, to be shown once."""
    given = settings.bootstrap_api_key.get_secret_value() if settings.bootstrap_api_key else None
    async with connection.transaction():
        await queries.lock_bootstrap(connection)
        if given is None and await queries.any_key(connection):
            return None
        key = given or make_key()
        parsed = parse_key(key)
        assert parsed is not None  # noqa: S101  the settings have checked the given one
        key_id, digest = parsed
        found = await queries.find_key(connection, key_id)
        if found is not None:
            if found["secret_sha256"] != digest:
                log.error("bootstrap_key_conflict", key=key_id, remedy="the id is taken by another secret: choose one")
            return None
        tenant_id = await queries.ensure_tenant(connection, settings.bootstrap_tenant)
        await queries.insert_key(connection, tenant_id, key_id, digest)
    log.info("bootstrap_key_registered" if given else "bootstrap_key_made", key=key_id, tenant=str(tenant_id))
    return None if given else key


async def ensure_first_owner(connection: Connection, settings: Settings, passwords: Passwords) -> None:
    """Make the given owner, where the first tenant has no user; a password that has been changed since stays so."""
    email, password = settings.bootstrap_owner_email, settings.bootstrap_owner_password
    if not email or password is None:
        return
    async with connection.transaction():
        await queries.lock_bootstrap(connection)
        tenant_id = await queries.ensure_tenant(connection, settings.bootstrap_tenant)
        if await queries.any_user(connection, tenant_id):
            return
        password_hash = await passwords.hash(password.get_secret_value())
        made = await queries.insert_platform_owner(connection, tenant_id, email, password_hash)
    if made:
        log.info("bootstrap_owner_made", tenant=str(tenant_id))
    else:
        log.error("bootstrap_owner_conflict", remedy="another tenant's user has this e-mail: choose another one")
