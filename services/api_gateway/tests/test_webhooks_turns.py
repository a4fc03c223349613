"""Whose webhooks go out when there is not room for all: tenants take turns, and each is served in its order."""

import uuid
from collections.abc import AsyncIterator

import pytest

from api_gateway.settings import Settings
from api_gateway.webhooks.queries import sending
from parking_chassis.postgres import Pool, open_pool


@pytest.fixture
async def pool(database) -> AsyncIterator[Pool]:
    pool = await open_pool(Settings(database_url=database), role="api_gateway")
    yield pool
    await pool.close()


@pytest.fixture
def waiting(sql, registry):
    """A tenant with so many endpoints, each with deliveries that have been due for so many seconds."""

    async def make(name: str, *, endpoints: int, deliveries: int, due_seconds: int) -> uuid.UUID:
        tenant_id = await registry.tenant(name)
        await sql.execute(
            """
            WITH made AS (
                INSERT INTO gateway.webhook_endpoints (tenant_id, url)
                SELECT $1, 'https://example.com' FROM generate_series(1, $2::integer) RETURNING id
            )
            INSERT INTO gateway.webhook_deliveries (tenant_id, endpoint_id, event_id, event_type, sequence, body,
                next_attempt_at)
            SELECT $1, made.id, number::text, 'space.created', number, '', now() - $4::integer * interval '1 second'
            FROM made CROSS JOIN generate_series(1, $3::integer) AS number
            """,
            *(tenant_id, endpoints, deliveries, due_seconds),
        )
        return tenant_id

    return make


async def claim(pool: Pool, limit: int) -> list[tuple[uuid.UUID, int]]:
    async with pool.acquire() as connection:
        rows = await sending.claim_due(connection, limit=limit, per_endpoint=16, lease_seconds=60)
    return [(row["tenant_id"], row["sequence"]) for row in rows]


async def test_the_backlog_of_one_tenant_keeps_no_other_waiting(pool, waiting) -> None:
    greedy = await waiting("greedy", endpoints=20, deliveries=16, due_seconds=600)
    modest = await waiting("modest", endpoints=1, deliveries=3, due_seconds=1)
    first = await claim(pool, 10)
    assert [tenant for tenant, _ in first].count(modest) == 3
    assert [sequence for tenant, sequence in first if tenant == modest] == [1, 2, 3]
    assert {tenant for tenant, _ in await claim(pool, 10)} == {greedy}


async def test_whoever_has_taken_all_places_waits_for_the_others(pool, waiting) -> None:
    await waiting("greedy", endpoints=20, deliveries=16, due_seconds=600)
    await claim(pool, 50)
    late = await waiting("late", endpoints=4, deliveries=10, due_seconds=1)
    assert {tenant for tenant, _ in await claim(pool, 30)} == {late}


async def test_an_endpoint_alone_is_served_in_the_order_of_its_events(pool, waiting) -> None:
    await waiting("alone", endpoints=1, deliveries=20, due_seconds=5)
    assert [sequence for _, sequence in await claim(pool, 200)] == list(range(1, 17))
