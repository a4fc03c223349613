"""Sessions over two replicas: what one ends is ended on the other at once, and a refresh token works once."""

import asyncio
import uuid

import httpx
import pytest

ME = "/api/auth/me"


async def refresh(url: str, token: str, key: str | None = None) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        headers = {"Idempotency-Key": key} if key else {}
        return await client.post(f"{url}/api/auth/refresh", json={"refresh_token": token}, headers=headers)


async def status_of(as_user, url: str, tokens: dict) -> int:
    async with as_user(url, tokens) as client:
        return (await client.get(ME)).status_code


@pytest.fixture
async def ada(home, people, two_gateways) -> dict:
    """Tokens of a session of the viewer Ada."""
    await people.add(home, "ada@example.com")
    return await people.log_in(two_gateways[0], "ADA@example.com")


async def test_a_log_in_answers_tokens_that_work_on_every_replica(ada, two_gateways, as_user, home) -> None:
    assert ada["token_type"] == "Bearer"
    assert ada["expires_in"] == 900
    assert ada["user"]["email"] == "ada@example.com"
    assert "password" not in str(ada["user"])
    for url in two_gateways:
        async with as_user(url, ada) as client:
            me = (await client.get(ME)).json()
            assert (me["kind"], me["role"], me["tenant_id"]) == ("user", "viewer", str(home))
            assert "spaces:read" in me["scopes"]
            assert (await client.get("/api/v6/sites")).status_code == 200


async def test_a_logout_counts_at_once_on_the_other_replica(ada, two_gateways, as_user, people) -> None:
    first, second = two_gateways
    other = await people.log_in(second, "ada@example.com")
    async with as_user(first, ada) as client:
        assert (await client.post("/api/auth/logout")).status_code == 204
    assert await status_of(as_user, second, ada) == 401
    assert (await refresh(second, ada["refresh_token"])).status_code == 401
    assert await status_of(as_user, second, other) == 200


async def test_a_logout_everywhere_ends_all_sessions_of_the_user_alone(
    ada, two_gateways, as_user, people, home
) -> None:
    first, second = two_gateways
    await people.add(home, "grace@example.com")
    other, grace = await people.log_in(second, "ada@example.com"), await people.log_in(second, "grace@example.com")
    async with as_user(first, ada) as client:
        assert (await client.post("/api/auth/logout", json={"everywhere": True})).status_code == 204
    assert await status_of(as_user, second, other) == 401
    assert await status_of(as_user, second, grace) == 200


async def test_a_refresh_token_is_rotated_and_lives_on_the_other_replica(ada, two_gateways, as_user) -> None:
    tokens = ada
    for url in (*two_gateways, *two_gateways):
        answer = await refresh(url, tokens["refresh_token"])
        assert answer.status_code == 200
        assert answer.json()["refresh_token"] != tokens["refresh_token"]
        tokens = answer.json()
    assert await status_of(as_user, two_gateways[1], tokens) == 200


async def test_reuse_of_a_refresh_token_ends_its_session_at_once_on_the_other_replica(
    ada, two_gateways, as_user, people, sql
) -> None:
    first, second = two_gateways
    other = await people.log_in(second, "ada@example.com")
    newer = (await refresh(first, ada["refresh_token"])).json()
    assert await status_of(as_user, second, newer) == 200
    assert (await refresh(first, ada["refresh_token"])).status_code == 401
    assert await status_of(as_user, second, newer) == 401
    assert (await refresh(second, newer["refresh_token"])).status_code == 401
    assert await status_of(as_user, second, other) == 200
    assert await sql.fetchval("SELECT count(*) FROM gateway.audit_log WHERE action = 'refresh_reused'") == 1


async def test_a_lost_answer_is_repaired_by_its_idempotency_key(ada, two_gateways, as_user) -> None:
    first, second = two_gateways
    lost = (await refresh(first, ada["refresh_token"], key="attempt-1")).json()
    repaired = await refresh(second, ada["refresh_token"], key="attempt-1")
    assert repaired.status_code == 200
    assert repaired.json()["refresh_token"] == lost["refresh_token"]
    assert await status_of(as_user, first, repaired.json()) == 200
    assert (await refresh(first, repaired.json()["refresh_token"], key="attempt-2")).status_code == 200


async def test_an_idempotency_key_repairs_nothing_once_its_answer_was_used(ada, two_gateways, as_user) -> None:
    first, second = two_gateways
    newer = (await refresh(first, ada["refresh_token"], key="attempt-1")).json()
    newest = (await refresh(first, newer["refresh_token"], key="attempt-2")).json()
    assert (await refresh(second, ada["refresh_token"], key="attempt-1")).status_code == 401
    assert await status_of(as_user, second, newest) == 401


async def test_another_idempotency_key_is_reuse(ada, two_gateways, as_user) -> None:
    first, second = two_gateways
    newer = (await refresh(first, ada["refresh_token"], key="mine")).json()
    assert (await refresh(second, ada["refresh_token"], key="the-thief-has-another")).status_code == 401
    assert await status_of(as_user, first, newer) == 401


async def test_of_32_that_use_one_token_one_wins_and_the_session_ends(ada, two_gateways, as_user) -> None:
    urls = [two_gateways[number % 2] for number in range(32)]
    answers = await asyncio.gather(*(refresh(url, ada["refresh_token"]) for url in urls))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 31
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    assert await status_of(as_user, two_gateways[0], winner) == 401


async def test_of_32_that_repeat_one_request_all_get_the_same_token(ada, two_gateways, as_user) -> None:
    urls = [two_gateways[number % 2] for number in range(32)]
    answers = await asyncio.gather(*(refresh(url, ada["refresh_token"], key="same") for url in urls))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert await status_of(as_user, two_gateways[1], answers[0].json()) == 200


async def test_a_session_nobody_uses_ends_and_no_session_outlives_its_limit(ada, two_gateways, as_user, sql) -> None:
    expires = "SELECT expires_at - now() FROM gateway.sessions"
    assert 13.9 < (await sql.fetchval(expires)).total_seconds() / 86400 <= 14
    await sql.execute("UPDATE gateway.sessions SET created_at = now() - interval '20 days'")
    tokens = (await refresh(two_gateways[0], ada["refresh_token"])).json()
    assert 9.9 < (await sql.fetchval(expires)).total_seconds() / 86400 <= 10
    await sql.execute("UPDATE gateway.sessions SET expires_at = now()")
    assert await status_of(as_user, two_gateways[0], tokens) == 401
    assert (await refresh(two_gateways[1], tokens["refresh_token"])).status_code == 401


async def test_tokens_that_are_none_are_refused_alike(ada, two_gateways, as_user) -> None:
    session = ada["refresh_token"].split("_")[1]
    unknown = ["nonsense", f"rt_{session}_{'A' * 43}", f"rt_{uuid.uuid4().hex}_{'A' * 43}", "rt__", "\u00e9"]
    for token in unknown:
        answer = await refresh(two_gateways[0], token)
        assert answer.status_code == 401, token
        assert answer.json()["code"] == "AUTHENTICATION_ERROR"
    # guessing a secret of a session whose id leaked (it is in every access token) does not end it
    assert await status_of(as_user, two_gateways[0], ada) == 200


async def test_no_token_stands_in_the_database(ada, two_gateways, sql) -> None:
    await refresh(two_gateways[0], ada["refresh_token"], key="attempt-1")
    secret = ada["refresh_token"].split("_", 2)[2]
    rows = await sql.fetch(
        "SELECT t::text AS row FROM gateway.refresh_tokens t UNION ALL SELECT s::text FROM gateway.sessions s"
    )
    assert len(rows) == 3
    assert not any(secret in row["row"] or secret.encode().hex() in row["row"] for row in rows)
