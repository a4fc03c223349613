"""Who gets in: the first key, wrong keys, scopes, revocation, and replicas that start together."""

import asyncio
import re

from stack.http_client import http_client
from stack.waiting import eventually

SECRET = "s" * 43
KEY = f"pk_bootstrap01_{SECRET}"


async def test_the_given_key_is_registered_once_for_the_first_tenant(api, gateway, sql) -> None:
    assert (await api.get("/api/v6/sites")).status_code == 200
    gateway.stop()
    await gateway.start()
    assert await sql.fetchval("SELECT count(*) FROM gateway.api_keys") == 1
    assert await sql.fetchval("SELECT array_agg(name) FROM gateway.tenants") == ["default"]


async def test_replicas_that_start_together_make_one_key_and_print_it_once(run_service, service_env, sql) -> None:
    replicas = await asyncio.gather(*(run_service("api_gateway", service_env) for _ in range(3)))
    printed = [key for one in replicas for key in re.findall(r"pk_[a-z0-9]{8,32}_[\w-]{32,}", one.log.read_text())]
    assert len(printed) == 1
    assert await sql.fetchval("SELECT count(*) FROM gateway.api_keys") == 1
    async with http_client(headers={"X-API-Key": printed[0]}) as client:
        assert (await client.get(f"{replicas[2].url}/api/v6/spaces")).status_code == 200


async def test_a_malformed_bootstrap_key_is_refused_at_start(run_service, service_env) -> None:
    service = await run_service(
        "api_gateway", {**service_env, "PARKSTREAM_BOOTSTRAP_API_KEY": "pk_short_secret"}, ready=False
    )
    assert await eventually(service.process.poll) == 1
    assert "expected pk_<id>_<secret>" in service.log.read_text()
    assert "short_secret" not in service.log.read_text()
    service.process = None


WRONG_KEYS = (
    "",
    "nonsense",
    "pk_bootstrap01_" + "x" * 43,
    "pk_unknownkey_" + SECRET,
    "PK_bootstrap01_" + SECRET,
    KEY + "\u00e9",
    KEY[:-1],
    "pk_" + "a" * 9000 + "_" + SECRET,
)


async def test_a_wrong_key_is_401_and_says_how_to_ask(gateway, subtests) -> None:
    async with http_client() as client:
        for key in WRONG_KEYS:
            with subtests.test(key=key[:60]):
                answer = await client.get(f"{gateway.url}/api/v6/spaces", headers={"X-API-Key": key.encode("latin-1")})
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "ApiKey"
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["code"] == "AUTHENTICATION_ERROR"


async def test_no_key_is_401(gateway) -> None:
    async with http_client() as client:
        assert (await client.get(f"{gateway.url}/api/v6/spaces")).status_code == 401


async def test_a_missing_scope_is_403_and_named(api, registry, tenant_id) -> None:
    key = await registry.key(tenant_id, "spaces:read", "sites:*")
    asked = {
        "/api/v6/spaces": 200,
        "/api/v6/spaces/stats/occupancy": 200,
        "/api/v6/sites": 200,
        "/api/v6/devices": 403,
        "/api/v6/events": 403,
        "/api/v6/dead-letters": 403,
    }
    for path, status in asked.items():
        answer = await api.get(path, headers={"X-API-Key": key})
        assert (path, answer.status_code) == (path, status)
    assert answer.json()["details"] == {"missing": ["dead_letters:read", "platform_admin"]}


async def test_wildcards_never_make_a_platform_admin(api, registry, tenant_id) -> None:
    key = await registry.key(tenant_id, "*")
    answer = await api.get("/api/v6/dead-letters", headers={"X-API-Key": key})
    assert answer.status_code == 403
    assert answer.json()["details"] == {"missing": ["platform_admin"]}


async def test_a_revoked_key_is_refused_at_once(api, registry, tenant_id) -> None:
    key = await registry.key(tenant_id, "*")
    assert (await api.get("/api/v6/sites", headers={"X-API-Key": key})).status_code == 200
    await registry.revoke(key)
    assert (await api.get("/api/v6/sites", headers={"X-API-Key": key})).status_code == 401
