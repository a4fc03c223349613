"""Dead letters: newest first through any number of them, shown whole, and sent on their way again."""

import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest
from nats.js.errors import NotFoundError

from parking_chassis.dead_letters import PoisonError, dead_letter, encode_dead_letter, subject_of
from parking_contracts import subjects
from parking_contracts.errors import DeadLetter, DeadLetterCode

TOPIC = "application/ca739e26/device/0101010101010101/event/up"
AT = datetime(2026, 5, 4, 10, tzinfo=UTC)


@pytest.fixture
def set_aside(bus):
    """Publish a letter as a service does; its sequence."""

    async def publish(**changes) -> int:
        code = changes.pop("code", DeadLetterCode.INVALID_EVENT)
        given = {
            "service": "uplink_ingestor",
            "origin": "mqtt",
            "address": TOPIC,
            "body": b'{"fCnt": "x"}',
            "received_at": AT,
            "source": "mqtt",
            **changes,
        }
        letter = dead_letter(PoisonError(code, "fCnt is no number"), **given)
        return (await bus.jetstream().publish(subject_of(letter), encode_dead_letter(letter))).seq

    return publish


async def test_letters_come_newest_first_page_by_page(api, set_aside) -> None:
    assert (await api.get("/api/v6/dead-letters")).json() == {"total": 0, "items": [], "next_cursor": None}
    for number in range(25):
        await set_aside(body=b"%d" % number, received_at=AT + timedelta(seconds=number))
    seen: list[int] = []
    cursor: dict[str, int] = {}
    while True:
        page = (await api.get("/api/v6/dead-letters", params={"limit": 10, **cursor})).json()
        assert page["total"] == 25
        seen += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == list(range(25, 0, -1))
    newest = (await api.get("/api/v6/dead-letters?limit=1")).json()["items"][0]
    assert newest["detail"] == "fCnt is no number"
    assert (newest["code"], newest["service"], newest["address"]) == ("invalid_event", "uplink_ingestor", TOPIC)
    assert (newest["size_bytes"], newest["truncated"]) == (2, False)


async def test_rare_letters_are_found_among_many_and_after_deletions(api, set_aside, bus) -> None:
    rare = {}
    for number in range(1, 601):
        if number % 150 == 0:
            rare[number] = await set_aside(service="occupancy_engine", code=DeadLetterCode.CODEC_FAILURE)
        else:
            await set_aside(body=b"%d" % number)
    for sequence in (1, 2, 300, 599):
        await bus.jetstream().delete_msg("DEAD_LETTERS", sequence)
    for query, expected in (
        ("service=occupancy_engine", [600, 450, 150]),
        ("code=codec_failure&limit=2", [600, 450]),
        ("code=codec_failure&limit=2&cursor=450", [150]),
        ("service=occupancy_engine&cursor=150", []),
        ("service=occupancy_engine&code=oversize", []),
        ("service=nobody", []),
        ("limit=3", [600, 598, 597]),
        ("limit=3&cursor=5", [4, 3]),
    ):
        page = (await api.get(f"/api/v6/dead-letters?{query}")).json()
        assert [one["id"] for one in page["items"]] == expected, query


async def test_large_letters_fill_a_page_too(api, set_aside) -> None:
    for number in range(20):
        await set_aside(body=b"%d" % number * 120_000)
    page = (await api.get("/api/v6/dead-letters?limit=15")).json()
    assert [one["id"] for one in page["items"]] == list(range(20, 5, -1))


async def test_one_letter_shows_its_body(api, set_aside) -> None:
    text, binary = await set_aside(body='{"a": "ä"}\n'.encode()), await set_aside(body=b"\x00\xff")
    letter = (await api.get(f"/api/v6/dead-letters/{text}")).json()
    assert letter["body_text"] == '{"a": "ä"}\n'
    letter = (await api.get(f"/api/v6/dead-letters/{binary}")).json()
    assert letter["body_text"] is None
    assert base64.b64decode(letter["body_base64"]) == b"\x00\xff"
    assert (await api.get("/api/v6/dead-letters/99")).status_code == 404
    assert (await api.post("/api/v6/dead-letters/99/replay")).status_code == 404


async def test_an_mqtt_letter_is_replayed_through_ingress_and_then_gone(api, set_aside, bus) -> None:
    sequence = await set_aside(body=b"raw\x00bytes")
    answer = await api.post(f"/api/v6/dead-letters/{sequence}/replay")
    assert (answer.status_code, answer.json()) == (200, {"subject": subjects.ingress("up")})
    jetstream = bus.jetstream()
    stored = await jetstream.get_last_msg("INGRESS", subjects.ingress("up"))
    assert stored.data == b"raw\x00bytes"
    assert stored.headers == {
        "Parkstream-Source": "mqtt",
        "Parkstream-Topic": TOPIC,
        "Parkstream-Received-At": AT.isoformat(),
        "Parkstream-Replay": str(sequence),
        "Nats-Msg-Id": f"replay-{sequence}",
    }
    with pytest.raises(NotFoundError):
        await jetstream.get_msg("DEAD_LETTERS", sequence)
    assert (await api.post(f"/api/v6/dead-letters/{sequence}/replay")).status_code == 404


async def test_a_jetstream_letter_goes_back_to_its_subject_by_the_streams_owner(
    api, set_aside, bus, run_service, service_env
) -> None:
    subject = subjects.space(UUID(int=1), UUID(int=2), "state_changed")
    letter = {"service": "reservation_service", "origin": "jetstream", "address": subject, "source": ""}
    sequence = await set_aside(**letter)
    answer = await api.post(f"/api/v6/dead-letters/{sequence}/replay")
    assert (answer.status_code, answer.json()["code"]) == (503, "DEPENDENCY_UNAVAILABLE"), "no engine yet"
    await run_service("occupancy_engine", service_env)
    assert (await api.post(f"/api/v6/dead-letters/{sequence}/replay")).json() == {"subject": subject}
    stored = await bus.jetstream().get_last_msg("SPACES", subject)
    assert stored.headers == {"Parkstream-Replay": str(sequence), "Nats-Msg-Id": f"replay-{sequence}"}
    forged = await set_aside(**letter | {"service": "uplink_ingestor"})
    refused = await api.post(f"/api/v6/dead-letters/{forged}/replay")
    assert refused.json()["code"] == "REPLAY_REFUSED", "who set it aside reads no such stream"


async def test_a_webhooks_letter_goes_back_to_ingress_with_its_source_and_time(api, set_aside, bus) -> None:
    subject = subjects.ingress("up")
    sequence = await set_aside(origin="jetstream", address=subject, source="signed-proxy")
    assert (await api.post(f"/api/v6/dead-letters/{sequence}/replay")).json() == {"subject": subject}
    stored = await bus.jetstream().get_last_msg("INGRESS", subject)
    assert stored.headers == {
        "Parkstream-Source": "signed-proxy",
        "Parkstream-Received-At": AT.isoformat(),
        "Parkstream-Replay": str(sequence),
        "Nats-Msg-Id": f"replay-{sequence}",
    }


async def test_what_cannot_be_replayed_is_refused_and_stays(api, set_aside, bus, subtests) -> None:
    letters = {
        "only the first 65536 of 300000 bytes": {"body": b"x" * 300_000, "code": DeadLetterCode.OVERSIZE},
        "does not say which event": {"address": "somewhere/else", "code": DeadLetterCode.INVALID_TOPIC},
        "control characters": {"address": "a\r\nNats-Msg-Id: x/up", "code": DeadLetterCode.INVALID_TOPIC},
        "no stream takes": {"origin": "jetstream", "address": "nobody.listens"},
    }
    for reason, changes in letters.items():
        with subtests.test(reason):
            sequence = await set_aside(**changes)
            answer = await api.post(f"/api/v6/dead-letters/{sequence}/replay")
            assert (answer.status_code, answer.json()["code"]) == (409, "REPLAY_REFUSED")
            assert reason in answer.json()["message"]
            stored = await bus.jetstream().get_msg("DEAD_LETTERS", sequence)
            assert msgspec.json.decode(stored.data, type=DeadLetter).address == changes.get("address", TOPIC)


async def test_reading_needs_no_right_to_replay(api, set_aside, registry, tenant_id) -> None:
    sequence = await set_aside()
    reader = {"X-API-Key": await registry.key(tenant_id, "dead_letters:read", admin=True)}
    assert (await api.get(f"/api/v6/dead-letters/{sequence}", headers=reader)).status_code == 200
    assert (await api.post(f"/api/v6/dead-letters/{sequence}/replay", headers=reader)).status_code == 403
