"""Every route of the running gateway, asked by everybody of one tenant for what belongs to another.

The routes are those of its OpenAPI document. No answer tells of the other tenant, and none tells a thing of theirs from
one that does not exist; who has no credential or lacks the right gets nothing at all; nothing of theirs is changed.
"""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Awaitable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from isolation.callers import Caller, integration_of, log_in, make_keys, make_users
from isolation.filling import TwoTenants, everything_of, fill
from isolation.http_matrix import FORBIDDEN, UNAUTHENTICATED, HttpMatrix
from isolation.openapi import Operation, operations
from isolation.tally import Tally
from parkstream.embedded import child
from parkstream.streams import apply_streams
from stack.http_client import http_client
from stack.servers import fresh_database
from stack.service_process import Service

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(400)]

# Routes that anybody may ask.
PUBLIC = {
    "GET /health": "for whoever watches the service",
    "GET /live": "for whoever keeps it running",
    "GET /ready": "for whoever balances load",
    "GET /metrics": "for Prometheus",
    "POST /api/auth/register": "who registers has no account yet",
    "POST /api/auth/login": "who logs in has no credential yet",
    "POST /api/auth/refresh": "the refresh token is the credential",
    "GET /api/auth/jwks": "the public keys of access tokens",
}
# What must be unique over the whole platform: that a value is taken already can be learnt by trying to take it.
TELLTALES = {
    "POST /api/v6/ingress-credentials": frozenset({"source"}),  # the name by which a source speaks to the platform
    "POST /api/v6/users": frozenset({"email"}),  # a log-in names no tenant, so an e-mail is an account's name
}
# What may change meanwhile: what the owners' clocks work on for every tenant, what the platform's admin binds, and the
# log of log-ins that failed, which is their account's.
MOVING = (
    "downlink.displays",
    "downlink.outbox",
    "downlink.token_buckets",
    "gateway.audit_",
    "gateway.login_failures",
    "occupancy.alerts",
    "occupancy.applications",
    "occupancy.device_conditions",
    "occupancy.orphan_frames",
    "occupancy.outbox",
    "occupancy.rollup_",
    "occupancy.space_days",
    "occupancy.space_placements",
    "occupancy.zone_days",
    "reservation.outbox",
)
QUIET = {
    "PARKSTREAM_RATE_LIMIT_READS_PER_SECOND": "0",
    "PARKSTREAM_RATE_LIMIT_WRITES_PER_SECOND": "0",
    "PARKSTREAM_LOG_LEVEL": "WARNING",
}
AT_ONCE = 8
# Who ask for everything, each thing of theirs beside one of nobody; they come first, while both are untouched.
THOROUGH = {"key *", "user, owner", "nobody"}


@dataclass
class World:
    """A running gateway and the owners behind it, two tenants, and those of the first who have no session."""

    sql: asyncpg.Connection
    tenants: TwoTenants
    operations: list[Operation]
    callers: list[Caller]
    client: httpx.AsyncClient

    def matrix(self, title: str) -> HttpMatrix:
        return HttpMatrix(self.client, self.tenants, Tally(title))

    async def everybody(self) -> list[Caller]:
        """All of our tenant; its users in new sessions."""
        return [*self.callers, *await log_in(self.tenants.ours, self.client)]

    def with_right(self, operation: Operation, everybody: list[Caller]) -> list[Caller]:
        """Who may ask this; for a public route, somebody without any credential."""
        if operation.rights is None:
            return [Caller("nobody")]
        known = [caller for caller in everybody if caller.credential in operation.credentials]
        able = [caller for caller in known if caller.may(operation.rights)]
        return sorted(able, key=lambda caller: caller.name not in THOROUGH)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(postgres_server: Any, migrated_template: str, nats_pool: Any) -> AsyncIterator[World]:
    account = nats_pool.account()
    await apply_streams(account.url)
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(
            contextlib.asynccontextmanager(fresh_database)(postgres_server, migrated_template)
        )
        sql = await asyncpg.connect(url)
        stack.push_async_callback(sql.close)
        tenants = await fill(sql)
        environment = {"PARKSTREAM_DATABASE_URL": url, "PARKSTREAM_NATS_URL": account.url, **QUIET}
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="parkstream-isolation-")))
        names = ("api_gateway", "occupancy_engine", "reservation_service", "downlink_dispatcher")
        services = [Service(name, environment, logs / f"{name}.log") for name in names]
        for service in services:
            stack.callback(end, service)
        await asyncio.gather(*(service.start() for service in services))
        client = http_client(base_url=services[0].url, timeout=60)
        await stack.enter_async_context(client)
        known = operations((await client.get("/openapi.json")).raise_for_status().json())
        scopes = {scope for operation in known for right in operation.rights or () for scope in right}
        await make_users(sql, tenants.ours)
        callers = [*await make_keys(sql, tenants.ours, scopes), integration_of(tenants.ours)]
        yield World(sql, tenants, known, callers, client)


def end(service: Service) -> None:
    service.end()
    print(f"--- log of {service.log.stem}\n{child.last_lines(service.log, 100)}")  # noqa: T201  pytest shows it


async def side_by_side(attempts: Iterable[Awaitable[None]]) -> None:
    """A few at once: who is refused changes nothing."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(attempt: Awaitable[None]) -> None:
        async with places:
            await attempt

    await asyncio.gather(*(one(attempt) for attempt in attempts))


@pytest.mark.slow
async def test_no_answer_tells_of_another_tenant(world: World, record_property):
    matrix = world.matrix("HTTP, routes x callers with the right x whose ids")
    everybody = await world.everybody()
    before = await everything_of(world.sql, world.tenants.theirs)
    for operation in world.operations:
        callers = world.with_right(operation, everybody)
        assert callers, f"nobody may {operation}"
        for caller in callers:
            if caller.name in THOROUGH or len(callers) == 1:
                await matrix.try_with_right(caller, operation, TELLTALES.get(str(operation), frozenset()))
            else:
                await matrix.try_theirs(caller, operation)
    after = await everything_of(world.sql, world.tenants.theirs)
    matrix.tally.show()
    record_property("attempts", matrix.tally.attempts)
    matrix.tally.require_no_leak()
    changed = [table for table, rows in before.items() if rows != after[table] and not table.startswith(MOVING)]
    assert changed == []


async def test_who_lacks_the_right_gets_403_and_who_has_no_credential_401(world: World, record_property):
    matrix = world.matrix("HTTP, routes x callers without the right")
    everybody = await world.everybody()
    strangers = [
        Caller("nobody"),
        Caller("a key that nobody has", {"X-API-Key": f"pk_{'0' * 16}_{'s' * 43}"}),
        Caller("a key with a wrong secret", {"X-API-Key": f"pk_{world.tenants.theirs.key_id()}_{'x' * 43}"}),
        Caller("a token that nobody made", {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}),
    ]
    assert {str(operation) for operation in world.operations if operation.rights is None} == PUBLIC.keys()
    closed = [operation for operation in world.operations if operation.rights is not None]
    await side_by_side(
        matrix.try_without_right(one, operation, UNAUTHENTICATED) for operation in closed for one in strangers
    )
    await side_by_side(
        matrix.try_without_right(caller, operation, FORBIDDEN)
        for operation in closed
        for caller in everybody
        if caller.credential in operation.credentials and not caller.may(operation.rights or ())
        if not caller.name.endswith(":*")
    )
    matrix.tally.show()
    record_property("attempts", matrix.tally.attempts)
    matrix.tally.require_no_leak()


async def test_what_the_roles_may_do_is_bounded(world: World):
    users = await log_in(world.tenants.ours, world.client)
    may = {caller.name.removeprefix("user, "): caller.scopes for caller in users}
    assert all(scope.endswith(":read") for scope in may["viewer"])
    guarded = {"users", "api_keys", "audit", "webhooks", "ingress_credentials", "tenants"}
    assert {scope.partition(":")[0] for scope in may["viewer"] | may["operator"]} & (guarded | {"*"}) == set()
