"""The audit log: every write and every log-in, before it takes effect."""

import asyncio
import itertools
import re
import uuid
from typing import Any

import asyncpg
import httpx
import nats
import pytest

from parking_contracts import subjects
from parking_contracts.space_commands import OWNER
from stack.gateways import GatewayPair, an_address
from stack.http_client import http_client
from stack.services import Service
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

AUDIT = "/api/v6/audit"


async def entries(gateways: GatewayPair, headers: dict[str, str], **query: Any) -> list[dict[str, Any]]:
    answer = await gateways.first.get(AUDIT, params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def outcomes(gateways: GatewayPair, headers: dict[str, str], count: int) -> list[tuple[str, int]]:
    """The newest `count` actions with their outcomes, once all have one."""

    async def all_ended() -> list[tuple[str, int]]:
        found = [(one["action"], one["status"]) for one in await entries(gateways, headers, limit=count)]
        return found if all(status for _, status in found) else []

    return await eventually(all_ended)


async def test_every_write_is_noted_with_its_outcome_the_refused_ones_too(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    viewer = await gateways.somebody("viewer", admin.tenant_id)
    client, missing = gateways.first, uuid.uuid4()
    key = (await client.post("/api/v6/api-keys", json={"name": "k", "scopes": ["*"]}, headers=admin.headers)).json()
    await client.patch(f"/api/v6/users/{missing}", json={"name": "x"}, headers=admin.headers)
    await client.post("/api/v6/users", content=b"{", headers={**admin.headers, "Content-Type": "application/json"})
    await client.post("/api/v6/users", json={"nonsense": 1}, headers=admin.headers)
    await client.post("/api/v6/users", content=b"x", headers={**admin.headers, "Content-Type": "text/plain"})
    await client.delete(f"/api/v6/spaces/{missing}", headers=viewer.headers)
    await client.delete(f"/api/v6/api-keys/{key['id']}", headers={"X-API-Key": key["key"]})
    assert await outcomes(gateways, admin.headers, 7) == [
        ("DELETE /api/v6/api-keys/{key_id}", 204),
        ("DELETE /api/v6/spaces/{space_id}", 403),
        ("POST /api/v6/users", 415),
        ("POST /api/v6/users", 422),
        ("POST /api/v6/users", 400),
        ("PATCH /api/v6/users/{user_id}", 404),
        ("POST /api/v6/api-keys", 201),
    ]
    newest = (await entries(gateways, admin.headers, limit=1))[0]
    assert newest["actor"] == f"key:{key['id']}"
    assert newest["path"] == f"/api/v6/api-keys/{key['id']}"
    assert newest["address"] == "127.0.0.1"


async def test_a_write_to_another_service_is_noted_and_a_read_is_not(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    answer = await gateways.first.post(
        "/api/v6/sites", json={"name": "x"}, headers={**admin.headers, "X-Request-Id": "mine-7"}
    )
    assert answer.status_code == 503  # nobody answers commands here
    await gateways.first.get("/api/v6/sites", headers=admin.headers)
    assert (await outcomes(gateways, admin.headers, 1))[0] == ("POST /api/v6/sites", 503)
    assert (await entries(gateways, admin.headers, limit=1))[0]["request_id"] == "mine-7"


async def test_every_log_in_and_log_out_is_noted_and_failures_name_nobody(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    address = an_address()
    await gateways.try_to_log_in(admin.email, "not the password", address=address)
    session = await gateways.log_in(admin)
    await gateways.first.post("/api/auth/logout", headers=session.headers)
    found = await entries(gateways, admin.headers, limit=3)
    assert [one["action"] for one in found] == ["POST /api/auth/logout", "login", "login_failed"]
    assert [one["actor"] for one in found[:2]] == [f"user:{admin.id}"] * 2
    assert re.fullmatch("email:[0-9a-f]{64}", found[2]["actor"])
    assert found[2]["address"] == address
    assert admin.email not in str(found)
    failed = await entries(gateways, admin.headers, action="login_failed")
    assert [one["id"] for one in failed] == [found[2]["id"]]
    mine = await entries(gateways, admin.headers, actor=f"user:{admin.id}", **{"from": found[1]["at"]})
    assert [one["id"] for one in mine] == [one["id"] for one in found[:2]]
    assert await entries(gateways, admin.headers, to=found[2]["at"], action="login_failed") == []


async def test_failures_that_fit_no_user_are_the_platform_admins_alone(gateways: GatewayPair) -> None:
    admin, address = await gateways.somebody("owner"), an_address()
    await gateways.try_to_log_in("nobody@example.com", "not the password", address=address)
    platform = await entries(gateways, gateways.admin, action="login_failed")
    assert address in {one["address"] for one in platform}
    assert address not in {one["address"] for one in await entries(gateways, admin.headers)}


async def test_the_log_is_read_page_by_page_newest_first(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    for number in range(5):
        await gateways.first.delete(f"/api/v6/api-keys/unknownkey{number}", headers=admin.headers)
    seen, cursor = [], None
    while True:
        query = {"limit": 2, "action": "DELETE /api/v6/api-keys/{key_id}"} | ({"cursor": cursor} if cursor else {})
        page = (await gateways.second.get(AUDIT, params=query, headers=admin.headers)).json()
        seen += [one["path"][-1] for one in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
    assert seen == ["4", "3", "2", "1", "0"]


async def test_a_moment_that_no_offset_can_hold_is_refused(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    for name in ("from", "to"):
        for moment in ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"):
            answer = await gateways.first.get(AUDIT, params={name: moment}, headers=admin.headers)
            assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR"), moment


async def test_no_role_can_change_or_forge_the_log(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    connection = await asyncpg.connect(gateways.database_url)
    forbidden = {
        "api_gateway": ("UPDATE {} SET tenant_id = NULL", "DELETE FROM {}", "TRUNCATE {}"),
        "api_gateway_request": ("UPDATE {} SET tenant_id = NULL", "DELETE FROM {}", "INSERT INTO {} DEFAULT VALUES"),
    }
    tenant = str(admin.tenant_id)
    cases = itertools.product(forbidden.items(), ("gateway.audit_log", "gateway.audit_outcomes"))
    for (role, statements), table in cases:
        for statement in statements:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(f"SET LOCAL ROLE {role}")
            await connection.execute("SELECT set_config('app.tenant_id', $1, true)", tenant)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement.format(table))
            await transaction.rollback()
    await connection.close()


async def test_a_crash_between_the_note_and_the_effect_leaves_the_note(gateways: GatewayPair, tmp_path) -> None:
    admin = await gateways.somebody("admin")
    third = Service("api_gateway", gateways.environment, tmp_path / "third.log")
    third.spawn()
    await third.wait_ready(60)
    owner = await nats.connect(gateways.nats_url)
    commands = await owner.subscribe(subjects.command(OWNER, "site.create"))
    await owner.flush()
    async with http_client(base_url=third.url, timeout=30) as client:
        asking = asyncio.create_task(client.post("/api/v6/sites", json={"name": "x"}, headers=admin.headers))
        await commands.next_msg(timeout=20)  # noted, sent, and not carried out
        third.kill()
        with pytest.raises(httpx.TransportError):
            await asking
    await owner.close()
    newest = (await entries(gateways, admin.headers, limit=1))[0]
    assert newest["action"] == "POST /api/v6/sites"
    assert newest["actor"] == f"user:{admin.id}"
    assert newest["status"] is None


async def test_a_write_that_cannot_be_noted_is_not_made(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    blocker = await asyncpg.connect(gateways.database_url)
    async with blocker.transaction():
        await blocker.execute("LOCK TABLE gateway.audit_log IN EXCLUSIVE MODE")
        answer = await gateways.first.post(
            "/api/v6/api-keys", json={"name": "unnoted", "scopes": ["sites:read"]}, headers=admin.headers
        )
    await blocker.close()
    assert answer.status_code == 503
    assert await gateways.sql.fetchval("SELECT count(*) FROM gateway.api_keys WHERE name = 'unnoted'") == 0
