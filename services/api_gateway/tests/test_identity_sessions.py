"""Sessions over two replicas: what one ends is ended on the other at once, and a refresh token works once."""

import asyncio
import uuid

import httpx
import pytest

from api_gateway.identity.sessions.queries import delete_old_sessions
from api_gateway.identity.upkeep import KEEP
from stack.gateways import GatewayPair, Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

ME = "/api/auth/me"


async def refresh(client: httpx.AsyncClient, token: str, key: str | None = None) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await client.post("/api/auth/refresh", json={"refresh_token": token}, headers=headers)


async def status_of(client: httpx.AsyncClient, tokens: dict) -> int:
    return (await client.get(ME, headers={"Authorization": f"Bearer {tokens['access_token']}"})).status_code


async def test_a_log_in_answers_tokens_that_work_on_every_replica(gateways: GatewayPair) -> None:
    person = await gateways.person(await gateways.tenant())
    answer = await gateways.try_to_log_in(person.email.upper())
    tokens = answer.json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    assert tokens["user"]["email"] == person.email
    assert "password" not in str(tokens["user"])
    for client in (gateways.first, gateways.second):
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        me = (await client.get(ME, headers=headers)).json()
        assert (me["kind"], me["role"], me["tenant_id"]) == ("user", "viewer", str(person.tenant_id))
        assert "spaces:read" in me["scopes"]
        assert (await client.get("/api/v6/sites", headers=headers)).status_code == 200


async def test_a_logout_counts_at_once_on_the_other_replica(gateways: GatewayPair) -> None:
    ada = await gateways.somebody()
    other = await gateways.log_in(ada)
    assert (await gateways.first.post("/api/auth/logout", headers=ada.headers)).status_code == 204
    assert await status_of(gateways.second, ada.tokens) == 401
    assert (await refresh(gateways.second, ada.tokens["refresh_token"])).status_code == 401
    assert await status_of(gateways.second, other.tokens) == 200


async def test_a_logout_everywhere_ends_all_sessions_of_this_user_alone(gateways: GatewayPair) -> None:
    ada = await gateways.somebody()
    other, grace = await gateways.log_in(ada), await gateways.somebody(tenant_id=ada.tenant_id)
    body = {"everywhere": True}
    assert (await gateways.first.post("/api/auth/logout", json=body, headers=ada.headers)).status_code == 204
    assert await status_of(gateways.second, other.tokens) == 401
    assert await status_of(gateways.second, grace.tokens) == 200


async def test_a_refresh_token_is_rotated_and_lives_on_the_other_replica(gateways: GatewayPair) -> None:
    tokens = (await gateways.somebody()).tokens
    for client in (gateways.first, gateways.second, gateways.first):
        answer = await refresh(client, tokens["refresh_token"])
        assert answer.status_code == 200
        assert answer.json()["refresh_token"] != tokens["refresh_token"]
        tokens = answer.json()
    assert await status_of(gateways.second, tokens) == 200


async def test_reuse_of_a_refresh_token_ends_its_session_at_once_on_the_other_replica(gateways: GatewayPair) -> None:
    ada = await gateways.somebody()
    other = await gateways.log_in(ada)
    newer = (await refresh(gateways.first, ada.tokens["refresh_token"])).json()
    assert await status_of(gateways.second, newer) == 200
    assert (await refresh(gateways.first, ada.tokens["refresh_token"])).status_code == 401
    assert await status_of(gateways.second, newer) == 401
    assert (await refresh(gateways.second, newer["refresh_token"])).status_code == 401
    assert await status_of(gateways.second, other.tokens) == 200
    noted = "SELECT count(*) FROM gateway.audit_log WHERE action = 'refresh_reused' AND actor = $1"
    assert await gateways.sql.fetchval(noted, f"user:{ada.id}") == 1


async def forget(gateways: GatewayPair) -> None:
    async with gateways.sql.transaction():
        await gateways.sql.execute("SET LOCAL ROLE api_gateway")
        await delete_old_sessions(gateways.sql, keep=KEEP)


async def test_a_token_used_long_ago_still_ends_its_session(gateways: GatewayPair) -> None:
    ada = await gateways.somebody()
    newer = (await refresh(gateways.first, ada.tokens["refresh_token"])).json()
    age = """
        UPDATE gateway.refresh_tokens t SET used_at = now() - interval '29 days' FROM gateway.sessions s
        WHERE s.id = t.session_id AND s.user_id = $1 AND t.used_at IS NOT NULL
    """
    assert await gateways.sql.execute(age, ada.id) == "UPDATE 1"
    await forget(gateways)
    assert (await refresh(gateways.second, ada.tokens["refresh_token"])).status_code == 401
    assert await status_of(gateways.first, newer) == 401
    assert (await refresh(gateways.first, newer["refresh_token"])).status_code == 401


async def test_tokens_are_forgotten_with_their_session(gateways: GatewayPair) -> None:
    ada = await gateways.somebody()
    session = uuid.UUID(ada.tokens["refresh_token"].split("_")[1])
    await refresh(gateways.first, ada.tokens["refresh_token"])
    count = "SELECT count(*) FROM gateway.refresh_tokens WHERE session_id = $1"
    assert await gateways.sql.fetchval(count, session) == 2
    await gateways.sql.execute(
        "UPDATE gateway.sessions SET expires_at = now() - interval '8 days' WHERE id = $1", session
    )
    await forget(gateways)
    assert await gateways.sql.fetchval(count, session) == 0


async def test_a_lost_answer_is_repaired_by_its_idempotency_key(gateways: GatewayPair) -> None:
    ada = await gateways.somebody()
    lost = (await refresh(gateways.first, ada.tokens["refresh_token"], key="attempt-1")).json()
    repaired = await refresh(gateways.second, ada.tokens["refresh_token"], key="attempt-1")
    assert repaired.status_code == 200
    assert repaired.json()["refresh_token"] == lost["refresh_token"]
    assert await status_of(gateways.first, repaired.json()) == 200
    assert (await refresh(gateways.first, repaired.json()["refresh_token"], key="attempt-2")).status_code == 200


async def test_an_idempotency_key_repairs_nothing_once_its_answer_was_used(gateways: GatewayPair) -> None:
    ada = await gateways.somebody()
    newer = (await refresh(gateways.first, ada.tokens["refresh_token"], key="attempt-1")).json()
    newest = (await refresh(gateways.first, newer["refresh_token"], key="attempt-2")).json()
    assert (await refresh(gateways.second, ada.tokens["refresh_token"], key="attempt-1")).status_code == 401
    assert await status_of(gateways.second, newest) == 401


async def test_another_idempotency_key_is_reuse(gateways: GatewayPair) -> None:
    ada = await gateways.somebody()
    newer = (await refresh(gateways.first, ada.tokens["refresh_token"], key="mine")).json()
    assert (await refresh(gateways.second, ada.tokens["refresh_token"], key="the-thief-has-another")).status_code == 401
    assert await status_of(gateways.first, newer) == 401


async def test_of_32_that_use_one_token_one_wins_and_the_session_ends(gateways: GatewayPair) -> None:
    token = (await gateways.somebody()).tokens["refresh_token"]
    clients = [gateways.first, gateways.second] * 16
    answers = await asyncio.gather(*(refresh(client, token) for client in clients))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 31
    winner = next(answer.json() for answer in answers if answer.status_code == 200)
    assert await status_of(gateways.first, winner) == 401


async def test_of_32_that_repeat_one_request_all_get_the_same_token(gateways: GatewayPair) -> None:
    token = (await gateways.somebody()).tokens["refresh_token"]
    clients = [gateways.first, gateways.second] * 16
    answers = await asyncio.gather(*(refresh(client, token, key="same") for client in clients))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert await status_of(gateways.second, answers[0].json()) == 200


def days_left(gateways: GatewayPair, ada: Person):
    return gateways.sql.fetchval(
        "SELECT extract(epoch FROM expires_at - now())::float8 / 86400 FROM gateway.sessions WHERE user_id = $1", ada.id
    )


async def test_a_session_nobody_uses_ends_and_no_session_outlives_its_limit(gateways: GatewayPair) -> None:
    ada = await gateways.somebody()
    assert 13.9 < await days_left(gateways, ada) <= 14
    age = "UPDATE gateway.sessions SET created_at = now() - interval '20 days' WHERE user_id = $1"
    await gateways.sql.execute(age, ada.id)
    tokens = (await refresh(gateways.first, ada.tokens["refresh_token"])).json()
    assert 9.9 < await days_left(gateways, ada) <= 10
    await gateways.sql.execute("UPDATE gateway.sessions SET expires_at = now() WHERE user_id = $1", ada.id)
    assert await status_of(gateways.first, tokens) == 401
    assert (await refresh(gateways.second, tokens["refresh_token"])).status_code == 401


async def test_tokens_that_are_none_are_refused_alike(gateways: GatewayPair) -> None:
    tokens = (await gateways.somebody()).tokens
    session = tokens["refresh_token"].split("_")[1]
    unknown = ["nonsense", f"rt_{session}_{'A' * 43}", f"rt_{uuid.uuid4().hex}_{'A' * 43}", "rt__", "\u00e9"]
    for token in unknown:
        answer = await refresh(gateways.first, token)
        assert answer.status_code == 401, token
        assert answer.json()["code"] == "AUTHENTICATION_ERROR"
    # guessing a secret of a session whose id leaked (it is in every access token) does not end it
    assert await status_of(gateways.first, tokens) == 200


async def test_no_secret_stands_in_the_database(gateways: GatewayPair) -> None:
    ada = await gateways.somebody()
    newer = (await refresh(gateways.first, ada.tokens["refresh_token"], key="attempt-1")).json()
    secrets = [one["refresh_token"].split("_", 2)[2] for one in (ada.tokens, newer)]
    rows = await gateways.sql.fetch(
        "SELECT t::text AS row FROM gateway.refresh_tokens t UNION ALL SELECT s::text FROM gateway.sessions s"
    )
    assert len(rows) >= 3
    for secret in secrets:
        assert not any(secret in row["row"] or secret.encode().hex() in row["row"] for row in rows)


async def test_a_password_change_ends_the_other_sessions_at_once(gateways: GatewayPair) -> None:
    ada = await gateways.somebody()
    other = await gateways.log_in(ada)
    body = {"current_password": "three blue parking meters", "new_password": "four green parking meters"}
    wrong = {**body, "current_password": "three blue parking metres"}
    assert (await gateways.first.post("/api/auth/password", json=wrong, headers=ada.headers)).status_code == 401
    assert (await gateways.first.post("/api/auth/password", json=body, headers=ada.headers)).status_code == 204
    assert await status_of(gateways.second, ada.tokens) == 200
    assert await status_of(gateways.second, other.tokens) == 401
    assert (await gateways.try_to_log_in(ada.email)).status_code == 401
    assert (await gateways.try_to_log_in(ada.email, "four green parking meters")).status_code == 200


async def test_weak_passwords_are_refused_with_the_reason(gateways: GatewayPair) -> None:
    ada = await gateways.somebody()
    for weak, why in (("short", "at least 10"), ("password123", "everybody tries"), (ada.email, "e-mail")):
        body = {"current_password": "three blue parking meters", "new_password": weak}
        answer = await gateways.first.post("/api/auth/password", json=body, headers=ada.headers)
        assert answer.status_code == 422
        assert why in answer.json()["message"]
