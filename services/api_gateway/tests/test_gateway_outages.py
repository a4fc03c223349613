"""A database or NATS that is away: 503 with Retry-After, /ready names it, and everything heals by itself."""

import asyncio
import json
import uuid

import httpx
import nats
import pytest

from parking_contracts import subjects
from parkstream.migrate import migrate_database
from parkstream.streams import apply_streams
from stack.http_client import http_client
from stack.waiting import eventually

KEY = "pk_bootstrap01_" + "s" * 43


@pytest.fixture
async def client(gateway):
    async with http_client(base_url=gateway.url, headers={"X-API-Key": KEY}, timeout=20) as client:
        yield client


async def problems_of(client: httpx.AsyncClient) -> set[str]:
    answer = await client.get("/ready")
    return set(answer.json().get("problems", ()))


class TestDatabase:
    """On a PostgreSQL of its own, that is not even migrated when the gateway starts."""

    @pytest.fixture
    async def gateway(self, run_service, private_postgres, nats_account):
        env = {
            "PARKSTREAM_DATABASE_URL": private_postgres.url,
            "PARKSTREAM_NATS_URL": nats_account.url,
            "PARKSTREAM_BOOTSTRAP_API_KEY": KEY,
        }
        return await run_service("api_gateway", env, ready=False)

    async def test_it_waits_for_the_migrations_and_for_a_restart(self, gateway, client, private_postgres) -> None:
        async def waits_for_migrations() -> bool:
            try:
                answer = await client.get("/ready")
            except httpx.TransportError:
                return False
            return "parkstream migrate" in answer.text

        await eventually(waits_for_migrations, 20)
        await migrate_database(private_postgres.url)
        await gateway.wait_ready()
        assert (await client.get("/api/v6/spaces")).status_code == 200
        private_postgres.stop()
        away = await client.get("/api/v6/spaces")
        assert (away.status_code, away.json()["code"]) == (503, "DEPENDENCY_UNAVAILABLE")
        assert away.headers["retry-after"] == "5"
        assert await problems_of(client) == {"database"}
        private_postgres.start()
        await gateway.wait_ready()
        assert (await client.get("/api/v6/spaces")).status_code == 200


class TestNats:
    """On a NATS of its own, that is not there yet when the gateway starts."""

    @pytest.fixture
    async def gateway(self, run_service, database, private_nats):
        private_nats.stop()
        env = {
            "PARKSTREAM_DATABASE_URL": database,
            "PARKSTREAM_NATS_URL": private_nats.login().url,
            "PARKSTREAM_BOOTSTRAP_API_KEY": KEY,
        }
        return await run_service("api_gateway", env, ready=False)

    async def test_reads_go_on_and_the_stream_resumes_where_it_was(self, gateway, client, private_nats, sql) -> None:
        async def reads() -> bool:
            try:
                return (await client.get("/api/v6/spaces")).status_code == 200
            except httpx.TransportError:
                return False

        await eventually(reads, 20)
        assert await problems_of(client) == {"nats", "live_events"}
        for path in ("/api/v6/events", "/api/v6/dead-letters"):
            assert (await client.get(path)).status_code == 503
        assert (await client.delete(f"/api/v6/sites/{uuid.uuid4()}")).status_code == 503
        private_nats.start()
        await apply_streams(private_nats.login().url)
        await gateway.wait_ready()
        tenant_id = await sql.fetchval("SELECT id FROM gateway.tenants")
        heard: list[int] = []
        async with client.stream("GET", "/api/v6/events") as answer:
            reading = asyncio.create_task(hear_versions(answer, heard))
            await publish_versions(private_nats.login().url, tenant_id, range(1, 4))
            await eventually(lambda: heard == [1, 2, 3])
            private_nats.process.kill()
            await eventually(lambda: problems_of(client))
            assert (await client.delete(f"/api/v6/sites/{uuid.uuid4()}")).status_code == 503
            private_nats.stop()
            private_nats.start()
            await publish_versions(private_nats.login().url, tenant_id, range(4, 8))
            await eventually(lambda: heard == [1, 2, 3, 4, 5, 6, 7], 20)
            reading.cancel()
        await gateway.wait_ready()


async def hear_versions(answer: httpx.Response, heard: list[int]) -> None:
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "data":
            heard += [json.loads(value)["version"]]


async def publish_versions(url: str, tenant_id: uuid.UUID, versions: range) -> None:
    client = await nats.connect(url)
    space_id = uuid.UUID(int=1)
    for version in versions:
        event = {"tenant_id": str(tenant_id), "site_id": str(space_id), "space_id": str(space_id), "version": version}
        await client.jetstream().publish(
            subjects.space(tenant_id, space_id, "state_changed"),
            json.dumps(event).encode(),
            headers={"ce-type": "parkstream.space.state_changed.v1"},
        )
    await client.close()
