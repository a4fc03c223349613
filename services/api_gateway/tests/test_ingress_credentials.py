"""Credentials of integrations: shown once, named once on the platform, and each tenant's own."""

import httpx
import pytest

from stack.http_client import http_client

PATH = "/api/v6/ingress-credentials"


def client_of(url: str, key: str) -> httpx.AsyncClient:
    return http_client(base_url=url, headers={"X-API-Key": key}, timeout=20)


@pytest.fixture
async def clerk(gateway, registry):
    """Another tenant's admin."""
    key = await registry.key(await registry.tenant("other"), "ingress_credentials:*")
    async with client_of(gateway.url, key) as client:
        yield client


async def test_secrets_are_shown_once_and_kept_as_digest_or_for_signing(api, sql) -> None:
    made = await api.post(PATH, json={"source": "acme", "application_ids": ["a1"]})
    assert made.status_code == 201
    shown = made.json()
    assert shown["token"].startswith(f"it_{shown['id']}_")
    assert shown["signing_secret"].startswith("whsec_")
    assert made.headers["location"] == f"{PATH}/{shown['id']}"
    again = (await api.get(f"{PATH}/{shown['id']}")).json()
    assert again == {name: value for name, value in shown.items() if name not in ("token", "signing_secret")}
    row = await sql.fetchrow("SELECT * FROM gateway.ingress_credentials")
    assert shown["token"].rpartition("_")[2].encode() not in bytes(row["token_sha256"])
    page = (await api.get(PATH)).json()
    assert (page["total"], page["items"]) == (1, [again])


async def test_a_repetition_makes_nothing_and_shows_no_secret(api, sql) -> None:
    again = {"Idempotency-Key": "make-acme"}
    made = [(await api.post(PATH, json={"source": "acme"}, headers=again)).json() for _ in range(2)]
    assert made[0]["id"] == made[1]["id"]
    assert [one["token"] is None for one in made] == [False, True]
    again = {"Idempotency-Key": "rotate-acme"}
    rotate = f"{PATH}/{made[0]['id']}/rotate"
    rotated = [(await api.post(rotate, json={"secret": "token"}, headers=again)).json() for _ in range(2)]
    assert [one["token"] is None for one in rotated] == [False, True]
    assert rotated[0]["previous_token_until"] == rotated[1]["previous_token_until"]
    kept = await sql.fetchval("SELECT string_agg(reply::text, '') FROM gateway.inbox")
    assert not any(one["token"] and one["token"].encode().hex() in kept for one in (*made, *rotated))


async def test_a_revoked_credential_is_listed_on_request_and_frees_its_name_for_its_tenant(api, clerk) -> None:
    made = (await api.post(PATH, json={"source": "acme"})).json()
    for _ in range(2):
        assert (await api.delete(f"{PATH}/{made['id']}")).status_code == 204
    assert (await api.get(PATH)).json()["total"] == 0
    assert (await api.get(f"{PATH}?include_revoked=true")).json()["items"][0]["revoked_at"]
    assert (await clerk.post(PATH, json={"source": "acme"})).status_code == 409
    assert (await api.post(PATH, json={"source": "acme"})).status_code == 201


async def test_a_name_that_means_somebody_else_is_taken(api, clerk, sql, tenant_id) -> None:
    await sql.execute("INSERT INTO occupancy.source_watermarks VALUES ('city-mqtt', now(), now())")
    await sql.execute(
        "INSERT INTO occupancy.applications (source, application_id, tenant_id) VALUES ('bound', 'a', $1)", tenant_id
    )
    assert (await api.post(PATH, json={"source": "acme"})).status_code == 201
    for source in ("ingress", "chirpstack", "city-mqtt", "acme", "bound"):
        answer = await clerk.post(PATH, json={"source": source})
        assert (answer.status_code, answer.json()["code"]) == (409, "DUPLICATE_RESOURCE"), source
    assert (await api.post(PATH, json={"source": "bound"})).status_code == 201


async def test_another_tenants_credential_is_not_there(api, clerk) -> None:
    made = (await api.post(PATH, json={"source": "acme"})).json()
    mine = f"{PATH}/{made['id']}"
    assert (await clerk.get(PATH)).json()["total"] == 0
    answers = [
        await clerk.get(mine),
        await clerk.patch(mine, json={"application_ids": None}),
        await clerk.post(f"{mine}/rotate", json={"secret": "token"}),
        await clerk.delete(mine),
    ]
    assert [answer.status_code for answer in answers] == [404] * 4


async def test_the_scope_is_needed(gateway, registry, tenant_id) -> None:
    async with client_of(gateway.url, await registry.key(tenant_id, "ingress_credentials:read")) as reader:
        assert (await reader.get(PATH)).status_code == 200
        assert (await reader.post(PATH, json={"source": "acme"})).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"source": "Acme"},
        {"source": "a b"},
        {"source": "x" * 51},
        {"source": "acme", "application_ids": []},
        {"source": "acme", "application_ids": ["a b"]},
        {"source": "acme", "application_ids": ["a"] * 101},
        {"source": "acme", "token": "mine"},
    ],
)
async def test_bad_values_are_refused_by_name(api, body) -> None:
    answer = await api.post(PATH, json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR")
