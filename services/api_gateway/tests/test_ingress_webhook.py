"""Events over HTTP: who may hand in what, and that 2xx means durable."""

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from chirpstack_api import integration
from nats.js.errors import NotFoundError
from standardwebhooks import Webhook

from stack.http_client import http_client

PATH = "/api/v6/webhooks/chirpstack?event=up"
CREDENTIALS = "/api/v6/ingress-credentials"
APPLICATION = "ca739e26-7b67-4f14-b69e-d568c22a5a75"


def event(application: str = APPLICATION, **fields) -> bytes:
    info = {"applicationId": application, "devEui": "0101010101010101"}
    return json.dumps({"deduplicationId": str(uuid.uuid4()), "deviceInfo": info} | fields).encode()


@pytest.fixture
def gateway_env(gateway_env):
    """A client of the API may write little: what integrations deliver is not counted."""
    return {**gateway_env, "PARKSTREAM_RATE_LIMIT_WRITES_PER_SECOND": "5"}


async def credential(api, source: str = "acme-http", **fields) -> dict:
    answer = await api.post(CREDENTIALS, json={"source": source, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def bearer(made: dict) -> dict[str, str]:
    return {"Authorization": f"Bearer {made['token']}", "Content-Type": "application/json"}


def signature(made: dict, body: bytes, at: datetime | None = None) -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "Parkstream-Credential": made["id"],
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(made["signing_secret"]).sign("msg_1", at, body.decode()),
    }


async def stored(bus) -> list:
    """What lies in INGRESS, oldest first."""
    jetstream = bus.jetstream()
    state = (await jetstream.stream_info("INGRESS")).state
    found = []
    for sequence in range(max(state.first_seq, 1), state.last_seq + 1):
        try:
            found.append(await jetstream.get_msg("INGRESS", sequence))
        except NotFoundError:
            continue
    return found


@pytest.fixture
async def door(gateway):
    """A sender without any key of the API."""
    async with http_client(base_url=gateway.url, timeout=20) as client:
        yield client


async def test_a_token_lets_a_body_in_untouched_with_what_the_ingestor_needs(api, door, bus) -> None:
    made = await credential(api)
    body, before = b" " + event(), datetime.now(UTC)
    assert (await door.post(PATH, content=body, headers=bearer(made))).status_code == 202
    (message,) = await stored(bus)
    assert (message.subject, message.data) == ("parking.v1.ingress.up", body)
    headers = message.headers
    assert headers["Parkstream-Source"] == "acme-http"
    assert headers["Parkstream-Application"] == APPLICATION
    assert headers["Parkstream-Encoding"] == "json"
    assert before < datetime.fromisoformat(headers["Parkstream-Received-At"]) < datetime.now(UTC)
    assert (await door.post(PATH, content=body, headers=bearer(made))).status_code == 202
    assert len(await stored(bus)) == 1, "the same bytes again are the same message"
    other = PATH.replace("up", "status")
    assert (await door.post(other, content=body, headers=bearer(made))).status_code == 202
    assert len(await stored(bus)) == 2


async def test_protobuf_and_what_cannot_be_read_are_stored_as_they_are(api, door, bus) -> None:
    made = await credential(api)
    message = integration.UplinkEvent(deduplication_id="1")
    message.device_info.application_id = APPLICATION
    octets = {**bearer(made), "Content-Type": "application/octet-stream"}
    assert (await door.post(PATH, content=message.SerializeToString(), headers=octets)).status_code == 202
    for garbage in (b"", b"\xff\x00garbage", b"[1]"):
        assert (await door.post(PATH, content=garbage, headers=bearer(made))).status_code == 202
    found = await stored(bus)
    assert [(one.headers["Parkstream-Application"], one.headers["Parkstream-Encoding"]) for one in found] == [
        (APPLICATION, "protobuf"),
        *[("-", "json")] * 3,
    ]
    assert [one.data or b"" for one in found][1:] == [b"", b"\xff\x00garbage", b"[1]"]


async def test_without_a_right_credential_nothing_gets_in(api, door, bus, subtests) -> None:
    made, body = await credential(api), event()
    wrong = f"it_{made['id']}_{'x' * 43}"
    late = datetime.now(UTC) - timedelta(seconds=330)
    refused = {
        "nothing": {},
        "wrong secret": {"Authorization": f"Bearer {wrong}"},
        "unknown id": {"Authorization": f"Bearer it_000000000000_{'x' * 43}"},
        "no such scheme": {"Authorization": f"Basic {made['token']}"},
        "an API key": {"X-API-Key": api.headers["X-API-Key"]},
        "a signature without its credential": {**signature(made, body), "Parkstream-Credential": ""},
        "a signature of another body": signature(made, body + b" "),
        "an old signature": signature(made, body, late),
        "a signature of an unknown credential": {**signature(made, body), "Parkstream-Credential": "0" * 12},
    }
    for name, headers in refused.items():
        with subtests.test(name):
            answer = await door.post(PATH, content=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (401, "AUTHENTICATION_ERROR")
            assert answer.headers["www-authenticate"] == "Bearer"
    assert await stored(bus) == []


async def test_a_signature_lets_a_body_in(api, door, bus) -> None:
    made, body = await credential(api), event()
    assert (await door.post(PATH, content=body, headers=signature(made, body))).status_code == 202
    body = event()
    by_query = signature(made, body)
    named = f"{PATH}&credential={by_query.pop('Parkstream-Credential')}"
    assert (await door.post(named, content=body, headers=by_query)).status_code == 202
    assert len(await stored(bus)) == 2


async def test_both_secrets_are_good_until_the_old_ones_time_is_over(api, door) -> None:
    old = await credential(api)
    rotate = f"{CREDENTIALS}/{old['id']}/rotate"
    token = (await api.post(rotate, json={"secret": "token"})).json()
    secret = (await api.post(rotate, json={"secret": "signing_secret"})).json()
    assert token["signing_secret"] is None is secret["token"]
    for made in (old, token):
        assert (await door.post(PATH, content=event(), headers=bearer(made))).status_code == 202
    for made in (old, secret):
        body = event()
        assert (await door.post(PATH, content=body, headers=signature(made, body))).status_code == 202
    newest = (await api.post(rotate, json={"secret": "token", "keep_old_seconds": 0})).json()
    answers = [await door.post(PATH, content=event(), headers=bearer(made)) for made in (old, token, newest)]
    assert [answer.status_code for answer in answers] == [401, 401, 202]
    assert (await api.delete(f"{CREDENTIALS}/{old['id']}")).status_code == 204
    body = event()
    assert (await door.post(PATH, content=body, headers=bearer(newest))).status_code == 401
    assert (await door.post(PATH, content=body, headers=signature(secret, body))).status_code == 401


async def test_an_application_that_is_not_covered_is_refused(api, door, bus, sql, tenant_id, registry) -> None:
    bind = "INSERT INTO occupancy.applications (source, application_id, tenant_id) VALUES ($1, $2, $3)"
    await sql.execute(bind, "narrow", "other-tenants", await registry.tenant("other"))
    await sql.execute(bind, "narrow", "own", tenant_id)
    with_list = await credential(api, "narrow-list", application_ids=[APPLICATION])
    await sql.execute("UPDATE gateway.ingress_credentials SET source = 'narrow'")
    fates = {APPLICATION: 202, "own": 403, "other-tenants": 403}
    for application, status in fates.items():
        answer = await door.post(PATH, content=event(application), headers=bearer(with_list))
        assert answer.status_code == status, answer.text
        assert status == 202 or answer.json()["details"] == {"application_id": application}
    assert (await door.post(PATH, content=b"garbage", headers=bearer(with_list))).status_code == 403
    changed = await api.patch(f"{CREDENTIALS}/{with_list['id']}", json={"application_ids": None})
    assert (changed.status_code, changed.json()["application_ids"]) == (200, None)
    fates = {APPLICATION: 202, "own": 202, "other-tenants": 403}
    for application, status in fates.items():
        answer = await door.post(PATH, content=event(application), headers=bearer(with_list))
        assert answer.status_code == status
    assert (await door.post(PATH, content=b"garbage", headers=bearer(with_list))).status_code == 202
    assert len(await stored(bus)) == 4


async def test_size_and_event_are_bounded(api, door, bus) -> None:
    made = await credential(api)
    whole = event(padding="x" * ((1 << 20) - 200))
    assert (await door.post(PATH, content=whole, headers=bearer(made))).status_code == 202

    async def in_parts():
        for _ in range(9):
            yield b"x" * (1 << 17)

    for content in (b"x" * ((1 << 20) + 1), in_parts()):
        answer = await door.post(PATH, content=content, headers=bearer(made))
        assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")
    for path in (PATH.replace("=up", "=explosion"), PATH.partition("?")[0]):
        answer = await door.post(path, content=event(), headers=bearer(made))
        assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR")
    assert len(await stored(bus)) == 1


async def test_what_cannot_be_stored_is_503_and_may_come_again(api, door, bus) -> None:
    made = await credential(api)
    jetstream = bus.jetstream()
    config = (await jetstream.stream_info("INGRESS")).config
    config.max_msgs = 1
    await jetstream.update_stream(config)
    body = event()
    assert (await door.post(PATH, content=event(), headers=bearer(made))).status_code == 202
    full = await door.post(PATH, content=body, headers=bearer(made))
    assert (full.status_code, full.json()["code"]) == (503, "DEPENDENCY_UNAVAILABLE")
    assert full.headers["retry-after"] == "5"
    await jetstream.purge_stream("INGRESS")
    assert (await door.post(PATH, content=body, headers=bearer(made))).status_code == 202


async def test_many_senders_at_once_are_all_stored_and_no_rate_limit_counts_them(api, door, bus) -> None:
    made = await credential(api)
    answers = await asyncio.gather(*(door.post(PATH, content=event(), headers=bearer(made)) for _ in range(200)))
    assert {answer.status_code for answer in answers} == {202}
    assert (await bus.jetstream().stream_info("INGRESS")).state.messages == 200
