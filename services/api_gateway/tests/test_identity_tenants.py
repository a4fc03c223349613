"""How tenants come to be: by the platform's admin, and by registration where it is open."""

import uuid

import pytest

from stack.gateways import PASSWORD, GatewayPair, an_address
from stack.http_client import http_client
from stack.services import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

TENANTS = "/api/v6/tenants"


def registration(email: str = "", **fields: str) -> dict[str, str]:
    email = email or f"{uuid.uuid4().hex}@example.com"
    return {"tenant_name": "New Harbour", "email": email, "password": PASSWORD, "name": "Ada", **fields}


async def test_the_platforms_admin_makes_tenants_and_sees_them_all(gateways: GatewayPair) -> None:
    email = f"{uuid.uuid4().hex}@example.com"
    body = {"name": "Northside", "owner_email": email, "owner_name": "Ada", "owner_password": PASSWORD}
    made = await gateways.first.post(TENANTS, json=body, headers=gateways.admin)
    assert made.status_code == 201
    tenant = made.json()
    assert (await gateways.second.get(made.headers["location"], headers=gateways.admin)).json() == tenant
    query = {"sort": "-created_at", "limit": 1000}
    listed = (await gateways.first.get(TENANTS, params=query, headers=gateways.admin)).json()
    assert {"Northside", "default"} <= {one["name"] for one in listed["items"]}
    logged_in = (await gateways.try_to_log_in(email)).json()
    assert logged_in["user"]["role"] == "owner"
    assert logged_in["user"]["tenant_id"] == tenant["id"]
    assert logged_in["user"]["platform_admin"] is False


async def test_a_tenant_is_made_once_or_not_at_all(gateways: GatewayPair) -> None:
    body = {"name": "Southside", "id": str(uuid.uuid4())}
    assert (await gateways.first.post(TENANTS, json=body, headers=gateways.admin)).status_code == 201
    again = await gateways.first.post(TENANTS, json=body, headers=gateways.admin)
    assert (again.status_code, again.json()["code"]) == (409, "DUPLICATE_RESOURCE")
    taken = await gateways.person(await gateways.tenant())
    owned = {"name": "Eastside", "owner_email": taken.email, "owner_name": "Ada", "owner_password": PASSWORD}
    assert (await gateways.first.post(TENANTS, json=owned, headers=gateways.admin)).status_code == 409
    assert await gateways.sql.fetchval("SELECT count(*) FROM gateway.tenants WHERE name = 'Eastside'") == 0
    half = {"name": "Eastside", "owner_email": "ada@example.com"}
    assert (await gateways.first.post(TENANTS, json=half, headers=gateways.admin)).status_code == 422


async def test_a_repeated_request_makes_one_tenant(gateways: GatewayPair) -> None:
    headers = {**gateways.admin, "Idempotency-Key": uuid.uuid4().hex}
    answers = [await gateways.first.post(TENANTS, json={"name": "Westside"}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert await gateways.sql.fetchval("SELECT count(*) FROM gateway.tenants WHERE name = 'Westside'") == 1


async def test_registration_is_closed_unless_opened(gateways: GatewayPair) -> None:
    answer = await gateways.first.post("/api/auth/register", json=registration())
    assert (answer.status_code, answer.json()["code"]) == (403, "AUTHORIZATION_ERROR")
    assert "closed" in answer.json()["message"]


async def test_where_registration_is_open_anybody_gets_a_tenant_of_his_own(gateways: GatewayPair, tmp_path) -> None:
    env = {**gateways.environment, "PARKSTREAM_REGISTRATION": "open"}
    service = Service("api_gateway", env, tmp_path / "open.log")
    service.spawn()
    await service.wait_ready(60)
    try:
        async with http_client(base_url=service.url, timeout=30) as client:
            body, headers = registration(), {"X-Forwarded-For": an_address()}
            made = await client.post("/api/auth/register", json=body, headers=headers)
            assert made.status_code == 201, made.text
            mine = {"Authorization": f"Bearer {made.json()['access_token']}"}
            me = (await client.get(made.headers["location"], headers=mine)).json()
            assert (me["role"], me["tenant_name"], me["platform_admin"]) == ("owner", "New Harbour", False)
            assert (await client.get("/api/v6/sites", headers=mine)).json()["total"] == 0
            again = await client.post("/api/auth/register", json=body, headers=headers)
            assert again.status_code == 409
            weak = registration(password="password123")
            assert (await client.post("/api/auth/register", json=weak, headers=headers)).status_code == 422
            crowd = [
                (await client.post("/api/auth/register", json=body, headers=headers)).status_code for _ in range(10)
            ]
            assert crowd[-1] == 429
        assert await gateways.sql.fetchval("SELECT count(*) FROM gateway.tenants WHERE name = 'New Harbour'") == 1
    finally:
        service.kill()
