"""The first owner: made once, from the environment, and never again."""

from stack.gateways import PASSWORD
from stack.http_client import http_client
from stack.waiting import eventually

OWNER = {"PARKSTREAM_BOOTSTRAP_OWNER_EMAIL": "owner@example.com", "PARKSTREAM_BOOTSTRAP_OWNER_PASSWORD": PASSWORD}


async def test_the_first_owner_is_the_platforms_admin_and_keeps_his_new_password(run_service, gateway_env, sql) -> None:
    first = await run_service("api_gateway", {**gateway_env, **OWNER})
    async with http_client(base_url=first.url, timeout=30) as client:
        body = {"email": "owner@example.com", "password": PASSWORD}
        tokens = (await client.post("/api/auth/login", json=body)).json()
        assert (tokens["user"]["role"], tokens["user"]["platform_admin"]) == ("owner", True)
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        assert (await client.get("/api/v6/tenants", headers=headers)).status_code == 200
        new = {"current_password": PASSWORD, "new_password": "four green parking meters"}
        assert (await client.post("/api/auth/password", json=new, headers=headers)).status_code == 204
    first.stop()
    await first.start()
    async with http_client(base_url=first.url, timeout=30) as client:
        assert (await client.post("/api/auth/login", json=body)).status_code == 401
        body["password"] = "four green parking meters"
        assert (await client.post("/api/auth/login", json=body)).status_code == 200
    assert await sql.fetchval("SELECT count(*) FROM gateway.users") == 1
    assert PASSWORD not in first.log.read_text()


async def test_half_an_owner_or_a_weak_password_is_refused_at_start(run_service, gateway_env) -> None:
    half = {"PARKSTREAM_BOOTSTRAP_OWNER_EMAIL": "owner@example.com"}
    weak = {**half, "PARKSTREAM_BOOTSTRAP_OWNER_PASSWORD": "password123"}
    for settings, why in ((half, "together"), (weak, "everybody tries")):
        service = await run_service("api_gateway", {**gateway_env, **settings}, ready=False)
        assert await eventually(service.process.poll, 60) == 1
        assert why in service.log.read_text()
        service.process = None
