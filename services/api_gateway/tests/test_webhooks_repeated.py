"""Repeated writes of webhooks: one effect, the first answer again, and a secret shown no second time."""

import uuid

import pytest

from stack.hooked_streets import HookedStreet
from stack.waiting import eventually
from stack.webhook_events import QUICK
from stack.webhook_receiver import Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATH = "/api/v6/webhooks"
URL = "https://hooks.example.com/parking"


@pytest.fixture(scope="module")
def gateway_settings() -> dict[str, str]:
    return QUICK


def key() -> dict[str, str]:
    return {"Idempotency-Key": uuid.uuid4().hex}


async def test_a_repeated_creation_makes_one_endpoint_and_tells_its_secret_once(hooked: HookedStreet) -> None:
    headers = key()
    first, again = [await hooked.api.post(PATH, json={"url": URL}, headers=headers) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["secret"].startswith("whsec_")
    assert again.json() == {**first.json(), "secret": None}
    assert [again.headers[name] for name in ("location", "etag")] == [first.headers[n] for n in ("location", "etag")]
    assert (await hooked.api.get(PATH)).json()["total"] == 1
    other = await hooked.api.post(PATH, json={"url": URL + "/2"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_a_chosen_id_shows_the_secret_no_second_time_either(hooked: HookedStreet) -> None:
    body = {"url": URL, "id": str(uuid.uuid4()), "request_id": uuid.uuid4().hex}
    first, again = [(await hooked.api.post(PATH, json=body)).json() for _ in range(2)]
    assert again == {**first, "secret": None}


async def test_a_repeated_rotation_makes_one_secret_and_tells_it_once(hooked: HookedStreet) -> None:
    hook, _ = await hooked.hook()
    headers = key()
    first, again = [await hooked.api.post(f"{hook.path}/rotate-secret", headers=headers) for _ in range(2)]
    assert first.json()["secret"] not in {None, hook.secret}
    assert again.json() == {**first.json(), "secret": None}
    kept = "SELECT count(*) FROM gateway.webhook_secrets WHERE endpoint_id = $1"
    assert await hooked.sql.fetchval(kept, uuid.UUID(hook.id)) == 2
    by_body = {"request_id": uuid.uuid4().hex, "overlap_seconds": 60}
    answers = [(await hook.post("rotate-secret", by_body)).json() for _ in range(2)]
    assert answers[1] == {**answers[0], "secret": None}


async def test_no_secret_stands_in_the_answers_that_are_kept(hooked: HookedStreet) -> None:
    made = (await hooked.api.post(PATH, json={"url": URL}, headers=key())).json()
    rotated = (await hooked.api.post(f"{PATH}/{made['id']}/rotate-secret", headers=key())).json()
    replies = await hooked.sql.fetch(
        "SELECT convert_from(reply, 'UTF8') AS reply FROM gateway.inbox WHERE tenant_id = $1", hooked.tenant_id
    )
    assert len(replies) == 2
    for secret in (made["secret"], rotated["secret"]):
        assert not any(secret.removeprefix("whsec_") in row["reply"] for row in replies)


async def test_a_repeated_test_sends_one_event(hooked: HookedStreet) -> None:
    hook, receiver = await hooked.hook()
    headers = key()
    first, again = [await hooked.api.post(f"{hook.path}/test", headers=headers) for _ in range(2)]
    assert (first.status_code, again.json()) == (202, first.json())
    await hook.delivered(1)
    assert len(await hook.deliveries()) == 1
    assert receiver.ids == [first.json()["event_id"]]


async def test_a_repeated_retry_tries_once(hooked: HookedStreet) -> None:
    hook, _ = await hooked.hook(lambda _: Reply(500))
    await hooked.street.change()
    failed = (await eventually(lambda: hook.deliveries("failed")))[0]
    path, headers = f"{hook.path}/deliveries/{failed['id']}/retry", key()
    first = await hooked.api.post(path, headers=headers)
    attempts = (await eventually(lambda: hook.deliveries("failed")))[0]["attempts"]
    again = await hooked.api.post(path, headers=headers)
    assert (again.status_code, again.json()) == (202, first.json())
    assert [(one["state"], one["attempts"]) for one in await hook.deliveries()] == [("failed", attempts)]


async def test_a_repeated_replay_runs_once_and_answers_while_the_webhook_is_disabled(hooked: HookedStreet) -> None:
    hook, _ = await hooked.hook()
    headers = key()
    first = await hooked.api.post(f"{hook.path}/replay", json={"after": "0.0"}, headers=headers)
    await hook.change(enabled=False)
    again = await hooked.api.post(f"{hook.path}/replay", json={"after": "0.0"}, headers=headers)
    assert (first.status_code, again.status_code, again.json()) == (202, 202, first.json())
    assert len((await hooked.api.get(f"{hook.path}/replays")).json()["items"]) == 1


async def test_a_refused_write_is_tried_again(hooked: HookedStreet) -> None:
    hook, _ = await hooked.hook()
    await hook.change(enabled=False)
    headers = key()
    assert (await hooked.api.post(f"{hook.path}/test", headers=headers)).status_code == 409
    await hook.change(enabled=True)
    assert (await hooked.api.post(f"{hook.path}/test", headers=headers)).status_code == 202
    await hook.delivered(1)
