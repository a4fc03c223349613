"""The webhooks API: endpoints and their secrets, the delivery log, refusals, and what other tenants learn of it."""

import uuid

import pytest

from stack.hooked_streets import HookedStreet, client_of_tenant
from stack.waiting import eventually
from stack.webhook_events import QUICK, make_hook
from stack.webhook_receiver import Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH = "/api/v6/webhooks"
URL = "https://hooks.example.com/parking"


@pytest.fixture(scope="module")
def gateway_settings() -> dict[str, str]:
    return QUICK


async def test_an_endpoint_is_made_shown_changed_and_taken_away(hooked: HookedStreet) -> None:
    made = await hooked.api.post(PATH, json={"url": URL, "description": "billing", "event_types": ["space.created"]})
    assert made.status_code == 201, made.text
    hook = made.json()
    path = f"{PATH}/{hook['id']}"
    assert made.headers["location"] == path
    assert hook["secret"].startswith("whsec_")
    shown = await hooked.api.get(path)
    assert shown.json() == {name: value for name, value in hook.items() if name != "secret"}
    assert (await hooked.api.get(PATH)).json()["items"] == [shown.json()]
    stale = shown.headers["etag"]
    changed = await hooked.api.patch(path, json={"description": "signs", "event_types": []})
    assert (changed.json()["description"], changed.json()["event_types"]) == ("signs", [])
    assert (await hooked.api.patch(path, json={"description": "x"}, headers={"If-Match": stale})).status_code == 412
    fresh = changed.headers["etag"]
    assert (await hooked.api.patch(path, json={"url": URL + "/2"}, headers={"If-Match": fresh})).json()["url"] == (
        URL + "/2"
    )
    assert (await hooked.api.delete(path)).status_code == 204
    assert (await hooked.api.get(path)).status_code == 404
    assert (await hooked.api.get(PATH)).json()["total"] == 0
    assert (
        await hooked.sql.fetchval(
            "SELECT count(*) FROM gateway.webhook_secrets WHERE tenant_id = $1", *[hooked.tenant_id]
        )
        == 0
    )


async def test_the_secret_is_shown_once_and_no_request_can_read_it(hooked: HookedStreet) -> None:
    hook, _ = await hooked.hook()
    for path in (PATH, hook.path, f"{hook.path}/deliveries"):
        assert hook.secret[6:] not in (await hooked.api.get(path)).text
    for service in hooked.gateways.services:
        assert hook.secret[6:] not in service.log.read_text()
    assert not await hooked.sql.fetchval(
        "SELECT has_column_privilege('api_gateway_request', 'gateway.webhook_secrets', 'secret', 'SELECT')"
    )


async def test_a_chosen_id_makes_a_retry_harmless(hooked: HookedStreet) -> None:
    body = {"url": URL, "id": str(uuid.uuid4())}
    assert (await hooked.api.post(PATH, json=body)).status_code == 201
    again = await hooked.api.post(PATH, json=body)
    assert (again.status_code, again.json()["code"]) == (409, "DUPLICATE_RESOURCE")


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "https://user:secret@example.com/",
        "https://example.com:25/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/",
        "https://example.com/#x",
        "not a url",
        "",
        "https://" + "a" * 3000,
        "https://exa\u0000mple.com/",
    ],
)
async def test_a_url_that_may_not_be_called_is_422_and_names_the_field(hooked: HookedStreet, url: str) -> None:
    answer = await hooked.api.post(PATH, json={"url": url})
    assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR"), answer.text
    if "\0" not in url:
        assert answer.json()["details"]["errors"][0]["field"] == "body.url"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": URL, "event_types": ["space.teleported"]},
        {"url": URL, "site_ids": ["7"]},
        {"url": URL, "description": "x" * 501},
        {"url": URL, "secret": "mine"},
        {"url": None},
        {"url": URL, "event_types": ["space.created"] * 51},
    ],
)
async def test_a_bad_body_is_422(hooked: HookedStreet, body: dict) -> None:
    assert (await hooked.api.post(PATH, json=body)).status_code == 422


async def test_null_is_no_value_of_a_change(hooked: HookedStreet) -> None:
    hook, _ = await hooked.hook()
    for name in ("url", "description", "event_types", "site_ids", "enabled"):
        assert (await hooked.api.patch(hook.path, json={name: None})).status_code == 422, name


async def test_a_tenant_may_have_fifty(hooked: HookedStreet) -> None:
    for _ in range(50):
        await make_hook(hooked.api, URL)
    more = await hooked.api.post(PATH, json={"url": URL})
    assert (more.status_code, more.json()["code"]) == (409, "RESOURCE_IN_USE")


async def test_another_tenant_finds_nothing_and_changes_nothing(hooked: HookedStreet) -> None:
    hook, _ = await hooked.hook()
    await hooked.street.change()
    delivery = (await hook.delivered(1))[0]["id"]
    other = (await hooked.stranger()).api
    assert (await other.get(PATH)).json()["total"] == 0
    replay = {"after": "0.0"}
    for method, path, body in (
        ("GET", "", None),
        ("PATCH", "", {"enabled": False}),
        ("DELETE", "", None),
        ("POST", "/rotate-secret", None),
        ("POST", "/test", None),
        ("POST", "/replay", replay),
        ("GET", "/replays", None),
        ("GET", "/deliveries", None),
        ("GET", f"/deliveries/{delivery}", None),
        ("POST", f"/deliveries/{delivery}/retry", None),
    ):
        answer = await other.request(method, hook.path + path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "RECORD_NOT_FOUND"), (method, path)
    assert (await hook.shown())["enabled"]


async def test_scopes_part_reading_from_writing(hooked: HookedStreet) -> None:
    hook, _ = await hooked.hook()
    async with (
        await client_of_tenant(hooked.gateways, hooked.tenant_id, "webhooks:read") as reader,
        await client_of_tenant(hooked.gateways, hooked.tenant_id, "events:read") as outsider,
    ):
        assert (await reader.get(hook.path)).status_code == 200
        for path in ("rotate-secret", "test", "replay"):
            assert (await reader.post(f"{hook.path}/{path}", json={})).status_code == 403
        assert (await reader.delete(hook.path)).status_code == 403
        assert (await outsider.get(PATH)).status_code == 403


async def test_a_test_event_is_sent_at_once(hooked: HookedStreet) -> None:
    hook, receiver = await hooked.hook(event_types=["space.created"])
    answer = await hook.post("test")
    assert (answer.status_code, answer.json()["event_type"]) == (202, "webhook.test")
    told = (await receiver.gets(1))[0]
    told.verify(hook.secret)
    assert told.event["type"] == "webhook.test"
    assert told.event["data"]["endpoint_id"] == hook.id
    assert told.id == answer.json()["event_id"]
    await hook.delivered(1)


async def test_a_disabled_endpoint_is_not_tested_retried_or_replayed(hooked: HookedStreet) -> None:
    hook, _ = await hooked.hook()
    await hooked.street.change()
    delivery = (await hook.delivered(1))[0]["id"]
    await hook.change(enabled=False)
    for path, body in (("test", None), (f"deliveries/{delivery}/retry", None), ("replay", {"after": "0.0"})):
        answer = await hook.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (409, "INVALID_STATE_TRANSITION"), path


async def test_a_failed_delivery_can_be_tried_again(hooked: HookedStreet) -> None:
    answers = iter([500] * 4)
    hook, receiver = await hooked.hook(lambda _: Reply(next(answers, 204)))
    event_id = await hooked.street.change()
    failed = (await eventually(lambda: hook.deliveries("failed")))[0]
    again = await hook.post(f"deliveries/{failed['id']}/retry")
    assert (again.status_code, again.json()["state"]) == (202, "pending")
    delivery = (await hook.delivered(1))[0]
    assert (delivery["id"], delivery["attempts"]) == (failed["id"], 5)
    assert receiver.ids == [event_id] * 5
    assert (await hook.post(f"deliveries/{uuid.uuid4()}/retry")).status_code == 404


async def test_the_delivery_log_is_paged_newest_first_and_filtered(hooked: HookedStreet) -> None:
    hook, _ = await hooked.hook()
    sent = [await hooked.street.change() for _ in range(7)]
    await hook.delivered(7)
    found, cursor = [], None
    while True:
        params = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = (await hooked.api.get(f"{hook.path}/deliveries", params=params)).json()
        found += [one["event_id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == sent[::-1]
    assert (await hooked.api.get(f"{hook.path}/deliveries", params={"state": "failed"})).json()["items"] == []
    for params in ({"cursor": "made up"}, {"state": "lost"}, {"limit": 0}, {"limit": 201}):
        assert (await hooked.api.get(f"{hook.path}/deliveries", params=params)).status_code == 422, params
