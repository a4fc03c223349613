"""API keys: worth no more than who makes them, shown once, ended at once, and found at the same cost however many."""

import hashlib
import json
import statistics
import time
import uuid
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest

from stack.gateways import GatewayPair

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS = "/api/v6/api-keys"


async def make(gateways: GatewayPair, headers: dict[str, str], *scopes: str, **fields) -> httpx.Response:
    body = {"name": "screen", "scopes": list(scopes), **fields}
    return await gateways.first.post(KEYS, json=body, headers=headers)


async def test_a_key_is_made_shown_once_and_works_on_every_replica(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    made = await make(gateways, admin.headers, "sites:read", "spaces:*")
    assert made.status_code == 201
    key = made.json()
    assert key["created_by"] == f"user:{admin.id}"
    shown = (await gateways.second.get(made.headers["location"], headers=admin.headers)).json()
    assert shown == {name: value for name, value in key.items() if name != "key"}
    asked = {"/api/v6/sites": 200, "/api/v6/spaces": 200, "/api/v6/devices": 403}
    for path, status in asked.items():
        assert (await gateways.second.get(path, headers={"X-API-Key": key["key"]})).status_code == status
    listed = (await gateways.first.get(KEYS, headers=admin.headers)).json()
    assert listed["total"] == 1
    assert listed["items"][0]["last_used_at"] is not None
    me = (await gateways.first.get("/api/auth/me", headers={"X-API-Key": key["key"]})).json()
    assert (me["kind"], me["name"], me["role"]) == ("key", "screen", None)


async def test_a_revoked_key_is_refused_at_once_on_the_other_replica(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    key = (await make(gateways, admin.headers, "sites:read")).json()
    headers = {"X-API-Key": key["key"]}
    assert (await gateways.second.get("/api/v6/sites", headers=headers)).status_code == 200
    assert (await gateways.first.delete(f"{KEYS}/{key['id']}", headers=admin.headers)).status_code == 204
    assert (await gateways.second.get("/api/v6/sites", headers=headers)).status_code == 401
    assert (await gateways.first.delete(f"{KEYS}/{key['id']}", headers=admin.headers)).status_code == 204
    assert (await gateways.first.get(KEYS, headers=admin.headers)).json()["total"] == 0
    everything = await gateways.first.get(KEYS, params={"include_revoked": True}, headers=admin.headers)
    assert everything.json()["items"][0]["revoked_at"] is not None


async def test_a_key_ends_by_itself(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    soon = datetime.now(UTC) + timedelta(days=1)
    key = (await make(gateways, admin.headers, "sites:read", expires_at=soon.isoformat())).json()
    headers = {"X-API-Key": key["key"]}
    assert (await gateways.first.get("/api/v6/sites", headers=headers)).status_code == 200
    await gateways.sql.execute("UPDATE gateway.api_keys SET expires_at = now() WHERE id = $1", key["id"])
    assert (await gateways.first.get("/api/v6/sites", headers=headers)).status_code == 401
    past = await make(gateways, admin.headers, "sites:read", expires_at="2020-01-01T00:00:00Z")
    assert past.status_code == 422
    never = await make(gateways, admin.headers, "sites:read", expires_at="9999-12-31T23:59:59-14:00")
    assert never.status_code == 422


async def test_a_key_may_do_no_more_than_who_makes_it(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    maker = (await make(gateways, admin.headers, "api_keys:write", "sites:*", "spaces:read")).json()["key"]
    headers = {"X-API-Key": maker}
    outcomes = {
        ("sites:read",): 201,
        ("sites:*",): 201,
        ("spaces:read", "api_keys:write"): 201,
        ("spaces:write",): 403,
        ("spaces:*",): 403,
        ("*",): 403,
        ("users:write",): 403,
    }
    for scopes, status in outcomes.items():
        assert (await make(gateways, headers, *scopes)).status_code == status, scopes
    assert (await make(gateways, admin.headers, "*", platform_admin=True)).status_code == 403
    assert (await make(gateways, gateways.admin, "*", platform_admin=True)).status_code == 201
    unknown = await make(gateways, admin.headers, "space:read")
    assert (unknown.status_code, unknown.json()["details"]["errors"][0]["field"]) == (422, "body.scopes.0")


async def test_a_key_outlives_itself_in_no_other(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    end = datetime.now(UTC) + timedelta(days=1)
    made = await make(gateways, admin.headers, "api_keys:write", "sites:read", expires_at=end.isoformat())
    headers = {"X-API-Key": made.json()["key"]}
    ends = {None: 403, end + timedelta(seconds=1): 403, end: 201, end - timedelta(hours=1): 201}
    for moment, status in ends.items():
        fields = {} if moment is None else {"expires_at": moment.isoformat()}
        assert (await make(gateways, headers, "sites:read", **fields)).status_code == status, moment


async def test_nobody_revokes_a_key_that_may_do_more_than_himself(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    low = (await make(gateways, admin.headers, "api_keys:write", "sites:*")).json()
    headers = {"X-API-Key": low["key"]}
    outcomes = {("sites:read",): 204, ("sites:*", "api_keys:write"): 204, ("spaces:read",): 403, ("*",): 403}
    for scopes, status in outcomes.items():
        key = (await make(gateways, admin.headers, *scopes)).json()
        assert (await gateways.first.delete(f"{KEYS}/{key['id']}", headers=headers)).status_code == status, scopes
        shown = (await gateways.first.get(f"{KEYS}/{key['id']}", headers=admin.headers)).json()
        assert (shown["revoked_at"] is None) == (status == 403)
        assert (await gateways.first.delete(f"{KEYS}/{key['id']}", headers=admin.headers)).status_code == 204
    assert (await gateways.first.delete(f"{KEYS}/{low['id']}", headers=headers)).status_code == 204
    platforms = (await make(gateways, gateways.admin, "*", platform_admin=True)).json()
    tenant_id = uuid.UUID(platforms["tenant_id"])
    neighbour = await gateways.somebody("admin", tenant_id)
    path = f"{KEYS}/{platforms['id']}"
    assert (await gateways.first.delete(path, headers=neighbour.headers)).status_code == 403
    assert (await gateways.first.delete(path, headers=gateways.admin)).status_code == 204


async def test_a_repeated_request_makes_one_key_and_tells_its_secret_once(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    headers = {**admin.headers, "Idempotency-Key": "make-screen"}
    first, again = (
        (await make(gateways, headers, "sites:read")).json(),
        (await make(gateways, headers, "sites:read")).json(),
    )
    assert again == {**first, "key": None}
    assert first["key"]
    assert (await gateways.first.get(KEYS, headers=admin.headers)).json()["total"] == 1


async def test_not_even_a_bug_makes_a_platform_admin(gateways: GatewayPair) -> None:
    tenant = await gateways.tenant()
    connection = await asyncpg.connect(gateways.database_url)
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL ROLE api_gateway_request")
            await connection.execute("SELECT set_config('app.tenant_id', $1, true)", str(tenant))
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(
                    "INSERT INTO gateway.api_keys (tenant_id, id, name, secret_sha256, scopes, platform_admin) "
                    "VALUES ($1, 'forgedkey1', '', '', '{*}', true)",
                    tenant,
                )
        async with connection.transaction():
            await connection.execute("SET LOCAL ROLE api_gateway_request")
            await connection.execute("SELECT set_config('app.tenant_id', $1, true)", str(tenant))
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("UPDATE gateway.users SET platform_admin = true")
    finally:
        await connection.close()


async def buffers(connection: asyncpg.Connection) -> int:
    """What the look-up of one key touches, once its plan and the caches are warm."""
    lookup = """
        SELECT k.tenant_id, k.secret_sha256, k.scopes, k.platform_admin, k.revoked_at, k.expires_at, k.last_used_at
        FROM gateway.api_keys k WHERE k.id = 'measured01'
    """
    for _ in range(3):
        plan = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT json) {lookup}")
    top = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    assert "Index" in top["Node Type"]
    return top["Shared Hit Blocks"] + top["Shared Read Blocks"]


async def median_seconds(client: httpx.AsyncClient, key: str) -> float:
    took = []
    for _ in range(60):
        began = time.perf_counter()
        assert (await client.get("/api/v6/sites", headers={"X-API-Key": key})).status_code == 200
        took.append(time.perf_counter() - began)
    return statistics.median(took)


async def test_a_key_costs_the_same_among_10_and_among_100_000(gateways: GatewayPair, record_property) -> None:
    tenant, sql = await gateways.tenant(), gateways.sql
    secret = "m" * 43
    await sql.execute(
        "INSERT INTO gateway.api_keys (tenant_id, id, name, secret_sha256, scopes) "
        "VALUES ($1, 'measured01', '', $2, '{*}')",
        *(tenant, hashlib.sha256(secret.encode()).digest()),
    )
    key = f"pk_measured01_{secret}"
    fill = """
        INSERT INTO gateway.api_keys (tenant_id, id, name, secret_sha256, scopes)
        SELECT $1, 'filler' || lpad(n::text, 8, '0'), '', '', '{}' FROM generate_series($2::int, $3::int) n
    """
    await sql.execute(fill, tenant, 1, 9)
    await sql.execute("ANALYZE gateway.api_keys; SET enable_seqscan = off")
    few, few_seconds = await buffers(sql), await median_seconds(gateways.first, key)
    await sql.execute(fill, tenant, 10, 99_999)
    await sql.execute("ANALYZE gateway.api_keys")
    many, many_seconds = await buffers(sql), await median_seconds(gateways.first, key)
    await sql.execute("RESET enable_seqscan")
    await sql.execute("DELETE FROM gateway.api_keys WHERE id LIKE 'filler%'")
    figures = {"buffers": (few, many), "request_ms": (round(few_seconds * 1000, 2), round(many_seconds * 1000, 2))}
    record_property("api_key_lookup", figures)
    print(figures)  # noqa: T201  a figure
    # a B-tree's height: one level more, at most two, for 10,000 times as many
    assert many <= few + 2
