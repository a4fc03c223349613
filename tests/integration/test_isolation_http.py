"""Every route of the running gateway, asked by everybody of one tenant for what belongs to another.

The routes are those of its OpenAPI document. No answer tells of the other tenant, and none tells a thing of theirs from
one that does not exist; who has no credential or lacks the right gets nothing at all; nothing of theirs is changed.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest

from isolation.callers import Caller, make_keys
from isolation.filling import TwoTenants, everything_of, fill
from isolation.http_matrix import FORBIDDEN, UNAUTHENTICATED, HttpMatrix
from isolation.openapi import Operation, operations
from isolation.tally import Tally

# Routes that anybody may ask.
PUBLIC = {
    "GET /health": "for whoever watches the service",
    "GET /live": "for whoever keeps it running",
    "GET /ready": "for whoever balances load",
    "GET /metrics": "for Prometheus",
}
# What must be unique over the whole platform: that a value is taken already can be learnt by trying to take it.
TELLTALES = {
    "POST /api/v6/ingress-credentials": frozenset({"source"}),  # the name by which a source speaks to the platform
}
# The owners' clocks work on these for every tenant, whoever asks for what.
CLOCKED = ("occupancy.outbox", "occupancy.rollup_", "occupancy.space_placements", "reservation.outbox")
QUIET = {
    "PARKSTREAM_RATE_LIMIT_READS_PER_SECOND": "0",
    "PARKSTREAM_RATE_LIMIT_WRITES_PER_SECOND": "0",
    "PARKSTREAM_LOG_LEVEL": "WARNING",
}


@dataclass
class World:
    """A running gateway and the owners behind it, two tenants, and everybody of the first."""

    sql: asyncpg.Connection
    tenants: TwoTenants
    operations: list[Operation]
    callers: list[Caller]
    client: httpx.AsyncClient

    def matrix(self, title: str) -> HttpMatrix:
        return HttpMatrix(self.client, self.tenants, Tally(title))


@pytest.fixture
async def world(database: str, service_env: dict[str, str], run_service: Any) -> AsyncIterator[World]:
    sql = await asyncpg.connect(database)
    tenants = await fill(sql)
    environment = service_env | QUIET
    gateway, *_ = await asyncio.gather(
        *(run_service(name, environment) for name in ("api_gateway", "occupancy_engine", "reservation_service"))
    )
    async with httpx.AsyncClient(base_url=gateway.url, trust_env=False, timeout=30) as client:
        document = (await client.get("/openapi.json")).raise_for_status().json()
        known = operations(document)
        scopes = {scope for operation in known for right in operation.rights or () for scope in right}
        callers = await make_keys(sql, tenants.ours, scopes)
        yield World(sql, tenants, known, callers, client)
    await sql.close()


async def test_no_answer_tells_of_another_tenant(world: World, record_property):
    matrix = world.matrix("HTTP, routes x callers with the right x whose ids")
    before = await everything_of(world.sql, world.tenants.theirs)
    for operation in world.operations:
        for caller in world.callers:
            if operation.rights is not None and "ApiKey" in operation.credentials and caller.may(operation.rights):
                await matrix.try_with_right(caller, operation, TELLTALES.get(str(operation), frozenset()))
    after = await everything_of(world.sql, world.tenants.theirs)
    matrix.tally.show()
    record_property("attempts", matrix.tally.attempts)
    matrix.tally.require_no_leak()
    kept = {table: rows for table, rows in before.items() if not table.startswith(CLOCKED)}
    assert {table: after[table] for table in kept if after[table] != kept[table]} == {}


async def test_who_lacks_the_right_gets_403_and_who_has_no_credential_401(world: World, record_property):
    matrix = world.matrix("HTTP, routes x callers without the right")
    strangers = [
        Caller("nobody"),
        Caller("a key that nobody has", {"X-API-Key": f"pk_{'0' * 16}_{'s' * 43}"}),
        Caller("a key with a wrong secret", {"X-API-Key": f"pk_{world.tenants.theirs.key_id()}_{'x' * 43}"}),
        Caller("a token that nobody made", {"Authorization": "Bearer eyJhbGciOiJub25lIn0.e30."}),
    ]
    open_to_all = {str(operation) for operation in world.operations if operation.rights is None}
    assert open_to_all == PUBLIC.keys()
    for operation in world.operations:
        if operation.rights is None:
            continue
        for stranger in strangers:
            await matrix.try_without_right(stranger, operation, UNAUTHENTICATED)
        for caller in world.callers if "ApiKey" in operation.credentials else ():
            if not caller.may(operation.rights):
                await matrix.try_without_right(caller, operation, FORBIDDEN)
    matrix.tally.show()
    record_property("attempts", matrix.tally.attempts)
    matrix.tally.require_no_leak()
