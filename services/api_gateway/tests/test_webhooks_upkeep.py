"""The clock of webhooks: endless backlogs end, old deliveries are forgotten, and deleted endpoints with their last."""

import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest

from api_gateway.settings import Settings
from api_gateway.webhooks.upkeep import Upkeep
from parking_chassis.postgres import Pool, open_pool


@pytest.fixture
def settings(database) -> Settings:
    return Settings(database_url=database, webhook_backlog_count=5)


@pytest.fixture
async def pool(settings) -> AsyncIterator[Pool]:
    pool = await open_pool(settings, role="api_gateway")
    yield pool
    await pool.close()


@pytest.fixture
async def endpoint(sql, registry) -> asyncpg.Record:
    return await sql.fetchrow(
        "INSERT INTO gateway.webhook_endpoints (tenant_id, url) VALUES ($1, 'https://example.com') RETURNING *",
        await registry.tenant("one"),
    )


async def deliveries(sql, endpoint, count: int, **columns: object) -> None:
    row = {"state": "pending", "age": 0, "attempted": False} | columns
    for _ in range(count):
        made = await sql.fetchval(
            "INSERT INTO gateway.webhook_deliveries "
            "(tenant_id, endpoint_id, event_id, event_type, body, state, created_at) "
            "VALUES ($1, $2, $3, 'space.created', '', $4, now() - $5 * interval '1 day') RETURNING id",
            *(endpoint["tenant_id"], endpoint["id"], str(uuid.uuid4()), row["state"], row["age"]),
        )
        if row["attempted"]:
            await sql.execute(
                "INSERT INTO gateway.webhook_attempts VALUES ($1, $2, 1, now(), 0.1, 500, 'answered 500')",
                *(endpoint["tenant_id"], made),
            )


async def test_an_endpoint_with_too_long_a_backlog_is_disabled(sql, pool, settings, endpoint) -> None:
    await deliveries(sql, endpoint, 5)
    await Upkeep(pool, settings).keep()
    assert await sql.fetchval("SELECT enabled FROM gateway.webhook_endpoints")
    await deliveries(sql, endpoint, 1)
    await Upkeep(pool, settings).keep()
    shown = await sql.fetchrow("SELECT * FROM gateway.webhook_endpoints")
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "more than 5 deliveries were waiting")
    assert await sql.fetch("SELECT DISTINCT state FROM gateway.webhook_deliveries") == [("cancelled",)]


async def test_what_was_written_for_an_endpoint_as_it_was_disabled_is_cancelled(sql, pool, settings, endpoint) -> None:
    await sql.execute("UPDATE gateway.webhook_endpoints SET enabled = false, disabled_reason = 'disabled by a request'")
    await deliveries(sql, endpoint, 2)
    await Upkeep(pool, settings).keep()
    assert await sql.fetch("SELECT DISTINCT state FROM gateway.webhook_deliveries") == [("cancelled",)]


async def test_deliveries_and_their_attempts_are_forgotten_after_their_time(sql, pool, settings, endpoint) -> None:
    await deliveries(sql, endpoint, 2, state="failed", age=31, attempted=True)
    await deliveries(sql, endpoint, 1, state="failed", age=29, attempted=True)
    await Upkeep(pool, settings).keep()
    assert await sql.fetchval("SELECT count(*) FROM gateway.webhook_deliveries") == 1
    assert await sql.fetchval("SELECT count(*) FROM gateway.webhook_attempts") == 1


async def test_a_deleted_endpoint_goes_with_its_last_delivery(sql, pool, settings, endpoint) -> None:
    await sql.execute("UPDATE gateway.webhook_endpoints SET deleted_at = now()")
    await deliveries(sql, endpoint, 1, state="delivered", age=29)
    await Upkeep(pool, settings).keep()
    assert await sql.fetchval("SELECT count(*) FROM gateway.webhook_endpoints") == 1
    await sql.execute("UPDATE gateway.webhook_deliveries SET created_at = now() - interval '31 days'")
    await Upkeep(pool, settings).keep()
    assert await sql.fetchval("SELECT count(*) FROM gateway.webhook_endpoints") == 0


async def test_a_secret_that_has_ended_is_deleted(sql, pool, settings, endpoint) -> None:
    for ends in ("now() - interval '1 second'", "now() + interval '1 hour'", "NULL"):
        await sql.execute(
            "INSERT INTO gateway.webhook_secrets (tenant_id, endpoint_id, secret, expires_at) "
            f"VALUES ($1, $2, decode(repeat('00', 32), 'hex'), {ends})",
            *(endpoint["tenant_id"], endpoint["id"]),
        )
    await Upkeep(pool, settings).keep()
    assert await sql.fetchval("SELECT count(*) FROM gateway.webhook_secrets") == 2
