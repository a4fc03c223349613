"""Log-in: the same work for everybody, and a throttle that nobody can fill for another."""

import asyncio
import re
import uuid

import httpx
import pytest
from argon2 import PasswordHasher

from stack.gateways import PASSWORD, GatewayPair, an_address
from stack.http_client import http_client
from stack.services import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRONG = "five blue parking meters"


async def hashes(client: httpx.AsyncClient) -> float:
    found = re.search(
        r"^parkstream_gateway_password_hashes_total (\S+)$", (await client.get("/metrics")).text, re.MULTILINE
    )
    assert found
    return float(found[1])


async def test_unknown_wrong_and_disabled_cost_one_hash_and_answer_alike(gateways: GatewayPair) -> None:
    tenant = await gateways.tenant()
    known, disabled = await gateways.person(tenant), await gateways.person(tenant)
    await gateways.sql.execute("UPDATE gateway.users SET disabled_at = now() WHERE id = $1", disabled.id)
    attempts = [(known.email, WRONG), ("nobody@example.com", WRONG), (disabled.email, PASSWORD), ("no e-mail", WRONG)]
    messages = set()
    for email, password in attempts:
        before = await hashes(gateways.first)
        answer = await gateways.try_to_log_in(email, password)
        assert answer.status_code == 401
        assert await hashes(gateways.first) == before + 1, email
        messages.add(answer.json()["message"])
    assert len(messages) == 1


async def test_a_hash_of_older_parameters_is_made_anew_at_log_in(gateways: GatewayPair) -> None:
    ada = await gateways.person(await gateways.tenant())
    old = PasswordHasher(time_cost=1, memory_cost=8 << 10, parallelism=1).hash(PASSWORD)
    await gateways.sql.execute("UPDATE gateway.users SET password_hash = $2 WHERE id = $1", ada.id, old)
    assert (await gateways.try_to_log_in(ada.email)).status_code == 200
    new = await gateways.sql.fetchval("SELECT password_hash FROM gateway.users WHERE id = $1", ada.id)
    assert new.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await gateways.try_to_log_in(ada.email)).status_code == 200


async def test_a_log_in_under_way_does_not_outlive_a_change_of_password(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    for _ in range(3):
        ada = await gateways.person(admin.tenant_id)
        new = {"password": f"another parking meter {uuid.uuid4()}"}
        *log_ins, changed = await asyncio.gather(
            *(gateways.try_to_log_in(ada.email) for _ in range(5)),
            gateways.second.patch(f"/api/v6/users/{ada.id}", json=new, headers=admin.headers),
        )
        assert changed.status_code == 200
        for answer in log_ins:
            assert answer.status_code in {200, 401}
            headers = {"Authorization": f"Bearer {answer.json().get('access_token')}"}
            assert (await gateways.first.get("/api/auth/me", headers=headers)).status_code == 401
        assert (await gateways.try_to_log_in(ada.email)).status_code == 401
        assert (await gateways.try_to_log_in(ada.email, new["password"])).status_code == 200


async def test_simultaneous_log_ins_survive_a_hash_made_anew(gateways: GatewayPair) -> None:
    ada = await gateways.person(await gateways.tenant())
    old = PasswordHasher(time_cost=1, memory_cost=8 << 10, parallelism=1).hash(PASSWORD)
    await gateways.sql.execute("UPDATE gateway.users SET password_hash = $2 WHERE id = $1", ada.id, old)
    answers = await asyncio.gather(*(gateways.try_to_log_in(ada.email) for _ in range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4


async def test_who_fails_too_often_must_wait_and_is_told_how_long(gateways: GatewayPair) -> None:
    ada, address = await gateways.person(await gateways.tenant()), an_address()
    failures = [await gateways.try_to_log_in(ada.email, WRONG, address=address) for _ in range(5)]
    assert [answer.status_code for answer in failures] == [401] * 5
    before = await hashes(gateways.first)
    refused = await gateways.try_to_log_in(ada.email, address=address)
    assert refused.status_code == 429
    assert refused.json()["code"] == "RATE_LIMITED"
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert await hashes(gateways.first) == before
    # the other replica counts in the same place
    headers = {"X-Forwarded-For": address}
    body = {"email": ada.email, "password": PASSWORD}
    assert (await gateways.second.post("/api/auth/login", json=body, headers=headers)).status_code == 429
    await gateways.sql.execute("UPDATE gateway.login_failures SET measured_at = measured_at - interval '31 seconds'")
    assert (await gateways.try_to_log_in(ada.email, address=address)).status_code == 200


async def test_nobody_is_locked_out_by_failures_from_elsewhere(gateways: GatewayPair) -> None:
    ada = await gateways.person(await gateways.tenant())
    attackers = [an_address() for _ in range(4)]
    for address in attackers:
        while (await gateways.try_to_log_in(ada.email, WRONG, address=address)).status_code != 429:
            pass
    assert (await gateways.try_to_log_in(ada.email)).status_code == 200


async def test_who_is_known_at_an_address_does_not_suffer_from_its_others(gateways: GatewayPair) -> None:
    tenant, address = await gateways.tenant(), an_address()
    known, stranger = await gateways.person(tenant), await gateways.person(tenant)
    assert (await gateways.try_to_log_in(known.email, address=address)).status_code == 200
    tries = [gateways.try_to_log_in(f"{uuid.uuid4().hex}@example.com", WRONG, address=address) for _ in range(30)]
    statuses = [answer.status_code for answer in await asyncio.gather(*tries)]
    assert set(statuses) <= {401, 503}
    refused = await gateways.try_to_log_in(stranger.email, address=address)
    assert refused.status_code == 429
    assert (await gateways.try_to_log_in(known.email, address=address)).status_code == 200


async def test_nobody_washes_failures_away_with_an_account_of_his_own(gateways: GatewayPair) -> None:
    tenant, address = await gateways.tenant(), an_address()
    own = await gateways.person(tenant)
    statuses = []
    for number in range(34):
        statuses.append(
            (await gateways.try_to_log_in(f"victim{number}-{address}@example.com", WRONG, address=address)).status_code
        )
        assert (await gateways.try_to_log_in(own.email, address=address)).status_code in {200, 429}
    assert 429 in statuses


async def test_a_burst_of_guesses_is_not_looked_at_all_together(gateways: GatewayPair) -> None:
    ada, address = await gateways.person(await gateways.tenant()), an_address()
    tries = (gateways.try_to_log_in(ada.email, WRONG, address=address) for _ in range(24))
    statuses = [answer.status_code for answer in await asyncio.gather(*tries)]
    assert statuses.count(401) + statuses.count(503) == 5
    assert statuses.count(429) == 19


async def test_an_address_that_only_the_client_claims_is_not_believed(gateways: GatewayPair, tmp_path) -> None:
    ada = await gateways.person(await gateways.tenant())
    plain = Service("api_gateway", {**gateways.environment, "PARKSTREAM_TRUSTED_PROXIES": "[]"}, tmp_path / "plain.log")
    plain.spawn()
    await plain.wait_ready(60)
    try:
        async with http_client(base_url=plain.url, timeout=20) as client:
            statuses = []
            for _ in range(6):
                body = {"email": ada.email, "password": WRONG}
                headers = {"X-Forwarded-For": an_address()}
                statuses.append((await client.post("/api/auth/login", json=body, headers=headers)).status_code)
        assert statuses == [401] * 5 + [429]
    finally:
        plain.kill()


async def test_log_ins_beyond_the_queue_are_told_to_come_back(gateways: GatewayPair, tmp_path) -> None:
    env = {**gateways.environment, "PARKSTREAM_PASSWORD_HASH_COUNT": "1", "PARKSTREAM_PASSWORD_QUEUE_COUNT": "1"}
    narrow = Service("api_gateway", env, tmp_path / "narrow.log")
    narrow.spawn()
    await narrow.wait_ready(60)
    try:
        async with http_client(base_url=narrow.url, timeout=20) as client:

            async def try_once(number: int) -> httpx.Response:
                body = {"email": f"crowd{number}@example.com", "password": WRONG}
                return await client.post("/api/auth/login", json=body, headers={"X-Forwarded-For": an_address()})

            answers = await asyncio.gather(*(try_once(number) for number in range(20)))
            assert {answer.status_code for answer in answers} == {401, 503}
            assert all(a.headers["retry-after"] == "1" for a in answers if a.status_code == 503)
            assert (await try_once(99)).status_code == 401
    finally:
        narrow.kill()
