"""The users of a tenant: what each role may do, and what nobody may do to those above him."""

import asyncio
import uuid

import httpx
import pytest

from stack.gateways import PASSWORD, GatewayPair, Person

pytestmark = pytest.mark.asyncio(loop_scope="module")

USERS = "/api/v6/users"
ROLES = ("viewer", "operator", "admin", "owner")

# Who may do it: the first of the four roles that may.
ALLOWED_FROM = {
    ("GET", "/api/v6/spaces"): "viewer",
    ("GET", "/api/v6/sites"): "viewer",
    ("GET", "/api/v6/devices"): "viewer",
    ("GET", "/api/v6/spaces/stats/occupancy"): "viewer",
    ("GET", "/api/auth/me"): "viewer",
    ("GET", "/api/v6/reservations"): "operator",
    ("POST", "/api/v6/spaces"): "operator",
    ("POST", "/api/v6/sites"): "admin",
    ("GET", USERS): "admin",
    ("POST", USERS): "admin",
    ("GET", "/api/v6/api-keys"): "admin",
    ("POST", "/api/v6/api-keys"): "admin",
    ("GET", "/api/v6/audit"): "admin",
}
FOR_NO_ROLE = [("GET", "/api/v6/tenants"), ("POST", "/api/v6/tenants"), ("GET", "/api/v6/dead-letters")]


async def change(gateways: GatewayPair, by: Person, user: uuid.UUID, **changes) -> httpx.Response:
    return await gateways.first.patch(f"{USERS}/{user}", json=changes, headers=by.headers)


async def add(gateways: GatewayPair, by: Person | dict[str, str], role: str) -> httpx.Response:
    body = {"email": f"{uuid.uuid4().hex}@example.com", "name": "New", "role": role, "password": PASSWORD}
    headers = by.headers if isinstance(by, Person) else by
    return await gateways.first.post(USERS, json=body, headers=headers)


async def test_each_role_may_do_what_the_table_says(gateways: GatewayPair, subtests) -> None:
    tenant = await gateways.tenant()
    people = {role: await gateways.somebody(role, tenant) for role in ROLES}
    for (method, path), first in ALLOWED_FROM.items():
        for number, role in enumerate(ROLES):
            with subtests.test(f"{role} {method} {path}"):
                # an empty body is refused for its shape (422) where the role may, and for the role (403) where not
                body = {"json": {}} if method == "POST" else {}
                answer = await gateways.first.request(method, path, headers=people[role].headers, **body)
                assert (answer.status_code != 403) == (number >= ROLES.index(first)), answer.text
                assert answer.status_code in {200, 403, 422}
    for method, path in FOR_NO_ROLE:
        answer = await gateways.first.request(method, path, headers=people["owner"].headers)
        assert answer.status_code == 403


async def test_an_admin_adds_lists_changes_and_removes_users(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    made = await add(gateways, admin, "operator")
    assert made.status_code == 201
    user, path = made.json(), made.headers["location"]
    assert (await gateways.first.get(path, headers=admin.headers)).json() == user
    listed = (await gateways.second.get(USERS, params={"sort": "-created_at"}, headers=admin.headers)).json()
    assert [one["id"] for one in listed["items"]] == [user["id"], str(admin.id)]
    changed = (await change(gateways, admin, user["id"], name="Renamed", role="viewer")).json()
    assert (changed["name"], changed["role"]) == ("Renamed", "viewer")
    assert (await gateways.try_to_log_in(user["email"])).status_code == 200
    assert (await gateways.first.delete(path, headers=admin.headers)).status_code == 204
    assert (await gateways.first.get(path, headers=admin.headers)).status_code == 404
    assert (await gateways.try_to_log_in(user["email"])).status_code == 401


async def test_a_change_of_role_counts_at_once_on_the_other_replica(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    ada = await gateways.somebody("admin", admin.tenant_id)
    assert (await gateways.second.get(USERS, headers=ada.headers)).status_code == 200
    assert (await change(gateways, admin, ada.id, role="viewer")).status_code == 200
    assert (await gateways.second.get(USERS, headers=ada.headers)).status_code == 403
    assert (await gateways.second.get("/api/v6/sites", headers=ada.headers)).status_code == 200


async def test_who_is_disabled_or_removed_is_out_at_once_on_the_other_replica(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    ada, bob = [await gateways.somebody("viewer", admin.tenant_id) for _ in range(2)]
    await change(gateways, admin, ada.id, disabled=True)
    await gateways.first.delete(f"{USERS}/{bob.id}", headers=admin.headers)
    for person in (ada, bob):
        assert (await gateways.second.get("/api/auth/me", headers=person.headers)).status_code == 401
        body = {"refresh_token": person.tokens["refresh_token"]}
        assert (await gateways.second.post("/api/auth/refresh", json=body)).status_code == 401
    await change(gateways, admin, ada.id, disabled=False)
    assert (await gateways.second.get("/api/auth/me", headers=ada.headers)).status_code == 401
    assert (await gateways.try_to_log_in(ada.email)).status_code == 200


async def test_nobody_gives_or_takes_a_role_above_his_own(gateways: GatewayPair) -> None:
    owner = await gateways.somebody("owner")
    admin = await gateways.somebody("admin", owner.tenant_id)
    viewer = await gateways.person(owner.tenant_id)
    refused = [
        await add(gateways, admin, "owner"),
        await change(gateways, admin, viewer.id, role="owner"),
        await change(gateways, admin, admin.id, role="owner"),
        await change(gateways, admin, owner.id, role="viewer"),
        await change(gateways, admin, owner.id, disabled=True),
        await change(gateways, admin, owner.id, password="a password of mine"),
        await gateways.first.delete(f"{USERS}/{owner.id}", headers=admin.headers),
    ]
    assert [answer.status_code for answer in refused] == [403] * len(refused)
    assert (await change(gateways, owner, viewer.id, role="owner")).status_code == 200


async def test_a_key_adds_nobody_who_may_more_than_itself(gateways: GatewayPair) -> None:
    owner = await gateways.somebody("owner")
    body = {"name": "provisioning", "scopes": ["users:write"]}
    key = (await gateways.first.post("/api/v6/api-keys", json=body, headers=owner.headers)).json()["key"]
    for role in ROLES:
        assert (await add(gateways, {"X-API-Key": key}, role)).status_code == 403
    body = {"name": "provisioning", "scopes": ["*"]}
    key = (await gateways.first.post("/api/v6/api-keys", json=body, headers=owner.headers)).json()["key"]
    made = [(await add(gateways, {"X-API-Key": key}, role)).status_code for role in ROLES]
    assert made == [201, 201, 201, 403]


async def test_nobody_but_another_changes_the_platforms_admin(gateways: GatewayPair) -> None:
    owner = await gateways.somebody("owner")
    admin = await gateways.somebody("viewer", owner.tenant_id, admin=True)
    assert (await change(gateways, owner, admin.id, password="a password of mine")).status_code == 403
    assert (await gateways.first.delete(f"{USERS}/{admin.id}", headers=owner.headers)).status_code == 403
    assert (await gateways.first.get("/api/v6/tenants", headers=admin.headers)).status_code == 403  # viewers: no scope


async def test_a_tenant_keeps_its_last_owner_however_many_go_at_once(gateways: GatewayPair) -> None:
    first = await gateways.somebody("owner")
    owners = [first, *[await gateways.somebody("owner", first.tenant_id) for _ in range(3)]]
    clients = [gateways.first, gateways.second] * 2
    going = (
        client.patch(f"{USERS}/{one.id}", json={"role": "admin"}, headers=one.headers)
        for client, one in zip(clients, owners, strict=True)
    )
    statuses = sorted(answer.status_code for answer in await asyncio.gather(*going))
    assert statuses == [200, 200, 200, 409]
    left = "SELECT count(*) FROM gateway.users WHERE tenant_id = $1 AND role = 'owner'"
    assert await gateways.sql.fetchval(left, first.tenant_id) == 1


async def test_a_change_to_what_was_seen_alone(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    ada = await gateways.person(admin.tenant_id)
    path = f"{USERS}/{ada.id}"
    tag = (await gateways.first.get(path, headers=admin.headers)).headers["etag"]
    headers = {**admin.headers, "If-Match": tag}
    assert (await gateways.first.patch(path, json={"name": "One"}, headers=headers)).status_code == 200
    stale = await gateways.first.patch(path, json={"name": "Two"}, headers=headers)
    assert (stale.status_code, stale.json()["code"]) == (412, "PRECONDITION_FAILED")


async def test_an_e_mail_that_has_an_account_is_refused_without_telling_whose(gateways: GatewayPair) -> None:
    admin, elsewhere = await gateways.somebody("admin"), await gateways.person(await gateways.tenant("Elsewhere"))
    body = {"email": elsewhere.email.upper(), "name": "New", "role": "viewer", "password": PASSWORD}
    answer = await gateways.first.post(USERS, json=body, headers=admin.headers)
    assert answer.status_code == 409
    assert "Elsewhere" not in answer.text
    assert str(elsewhere.tenant_id) not in answer.text


async def test_users_of_another_tenant_are_not_there(gateways: GatewayPair) -> None:
    owner, other = await gateways.somebody("owner"), await gateways.somebody("owner")
    path = f"{USERS}/{other.id}"
    assert (await gateways.first.get(path, headers=owner.headers)).status_code == 404
    assert (await gateways.first.patch(path, json={"name": "Mine"}, headers=owner.headers)).status_code == 404
    assert (await gateways.first.delete(path, headers=owner.headers)).status_code == 404
    listed = (await gateways.first.get(USERS, headers=owner.headers)).json()
    assert [one["id"] for one in listed["items"]] == [str(owner.id)]


async def test_a_repeated_request_adds_one_user_and_answers_alike(gateways: GatewayPair) -> None:
    admin = await gateways.somebody("admin")
    body = {"email": f"{uuid.uuid4().hex}@example.com", "name": "New", "role": "viewer", "password": PASSWORD}
    headers = {**admin.headers, "Idempotency-Key": "add-new"}
    clients = [gateways.first, gateways.second] * 4
    answers = await asyncio.gather(*(client.post(USERS, json=body, headers=headers) for client in clients))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    other = await gateways.first.post(USERS, json={**body, "name": "Other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    stored = await gateways.sql.fetchval("SELECT string_agg(i::text, '') FROM gateway.inbox i")
    assert PASSWORD not in stored


async def made_key(gateways: GatewayPair, headers: dict[str, str], *scopes: str) -> dict[str, str]:
    answer = await gateways.first.post("/api/v6/api-keys", json={"name": "k", "scopes": scopes}, headers=headers)
    assert answer.status_code == 201, answer.text
    return {"X-API-Key": answer.json()["key"]}


async def may_read_spaces(gateways: GatewayPair, key: dict[str, str]) -> bool:
    return (await gateways.second.get("/api/v6/spaces", headers=key)).status_code == 200


@pytest.mark.parametrize("leaving", ["deleted", "disabled"])
async def test_who_has_left_is_out_with_the_keys_he_made_and_the_keys_of_these(gateways, leaving: str) -> None:
    owner = await gateways.somebody("owner")
    admin = await gateways.somebody("admin", owner.tenant_id)
    his = await made_key(gateways, admin.headers, "*")
    its = await made_key(gateways, his, "spaces:read")
    mine = await made_key(gateways, owner.headers, "spaces:read")
    assert await may_read_spaces(gateways, its)
    if leaving == "deleted":
        await gateways.first.delete(f"{USERS}/{admin.id}", headers=owner.headers)
    else:
        await change(gateways, owner, admin.id, disabled=True)
    assert [await may_read_spaces(gateways, key) for key in (his, its, mine)] == [False, False, True]


async def test_who_gets_a_lower_role_keeps_the_keys_that_do_not_exceed_it(gateways) -> None:
    owner = await gateways.somebody("owner")
    admin = await gateways.somebody("admin", owner.tenant_id)
    strong, weak = [await made_key(gateways, admin.headers, scope) for scope in ("*", "spaces:read")]
    await change(gateways, owner, admin.id, role="viewer")
    assert [await may_read_spaces(gateways, key) for key in (strong, weak)] == [False, True]


async def test_a_platform_admins_key_makes_no_owner_with_the_right_to_users_alone(gateways) -> None:
    everything = gateways.admin
    narrow = await made_key(gateways, everything, "users:read", "users:write")
    assert (await add(gateways, narrow, "owner")).status_code == 403
    assert (await add(gateways, everything, "owner")).status_code == 201
