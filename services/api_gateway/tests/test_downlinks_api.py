"""Downlinks over HTTP: sent, listed, taken back and repeated by whoever may; nothing queued that cannot arrive."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from api_gateway.downlinks.requests import EXAMPLES
from stack.signposts import GATEWAY, LIGHT, RGB, SIGN, Signboard

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/api/v6/downlinks"
RED = {"command": "colour", "red": 255, "green": 0, "blue": 0}


def of_device(dev_eui: str) -> str:
    return f"/api/v6/devices/{dev_eui}/downlinks"


@pytest.mark.parametrize("name", EXAMPLES)
async def test_every_example_of_the_documents_is_sent_by_its_display(board: Signboard, name: str):
    profile = SIGN if name.startswith("heltec") else RGB if name == "generic_rgb" else LIGHT
    dev_eui = await board.signs.device(profile)
    answer = await board.http.post(of_device(dev_eui), json=EXAMPLES[name]["value"])
    made = answer.json()
    assert answer.status_code == 201, made
    assert answer.headers["location"] == f"{PATH}/{made['id']}"
    assert (made["status"], made["dev_eui"], made["kind"]) == ("queued", dev_eui, "custom")
    told = await board.get(f"{PATH}/{made['id']}")
    assert told == made | {name: told[name] for name in ("history", "last_error")}
    assert told["history"][0]["status"] == "queued"


async def test_bytes_and_commands_become_the_displays_own(board: Signboard):
    light = await board.signs.device(LIGHT)
    raw = await board.send(light, payload="/wAy/wA=", encoding="base64", f_port=15, confirmed=True, ttl_seconds=600)
    assert (raw["f_port"], raw["payload"], raw["confirmed"]) == (15, "ff0032ff00", True)
    lasts = datetime.fromisoformat(raw["expires_at"]) - datetime.fromisoformat(raw["created_at"])
    assert lasts == timedelta(seconds=600)
    red = await board.send(light, command=RED)
    assert (red["f_port"], red["payload"], red["confirmed"]) == (15, "ff0000ff00", False)
    assert red["command"].items() >= RED.items()
    assert red["requested_by"] == raw["requested_by"] == red["cause"].removeprefix("command:")


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("body", {}),
        ("body", {"payload": "01", "command": RED}),
        ("body", {"command": RED, "f_port": 15}),
        ("body.payload", {"payload": ""}),
        ("body.payload", {"payload": None}),
        ("body.f_port", {"payload": "01", "f_port": 0}),
        ("body.f_port", {"payload": "01", "f_port": 224}),
        ("body.f_port", {"payload": "01", "f_port": 257}),
        ("body.command", {"command": {"command": "dance"}}),
        ("body.command.colour.red", {"command": {**RED, "red": 256}}),
        ("body.command.colour.blink", {"command": {**RED, "blink": True}}),
        ("body.ttl_seconds", {"payload": "01", "ttl_seconds": 0}),
        ("payload", {"payload": "abc"}),
        ("payload", {"payload": "zz"}),
        ("payload", {"payload": "00" * 243}),
        ("command", {"command": {"command": "state", "state": "free"}}),
        ("command", {"command": {"command": "count", "count": 3}}),
    ],
)
async def test_what_cannot_be_sent_is_422_with_its_field_and_nothing_is_queued(board: Signboard, field, body):
    dev_eui = await board.signs.device(LIGHT)
    answer = await board.http.post(of_device(dev_eui), json=body)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "VALIDATION_ERROR"), problem
    fields = [one["field"] for one in problem["details"].get("errors", [])] or [problem["details"]["field"]]
    assert field in fields
    assert await board.signs.queue(dev_eui) == []


async def test_only_displays_in_an_application_of_the_tenant_are_sent_to(board: Signboard):
    neighbour = await board.signposts.town()
    for dev_eui, status in (
        (await neighbour.device(), 404),
        ("ffffffffffffffff", 404),
        (await board.signs.device("Bosch TPS110"), 422),
        (await board.signs.device(bound=False), 422),
    ):
        answer = await board.http.post(of_device(dev_eui), json={"payload": "01"})
        assert answer.status_code == status, answer.text
        expected = 200 if status == 422 else 404
        assert (await board.http.get(of_device(dev_eui))).status_code == expected
    assert await neighbour.queue() == await board.signs.queue() == []


async def test_503_with_the_reason_where_no_gateway_is_online(board: Signboard):
    dev_eui = await board.signs.device()
    await board.signs.gateway(GATEWAY, "offline")
    key = {"Idempotency-Key": "send-1"}
    refused = await board.http.post(of_device(dev_eui), json={"payload": "01"}, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (503, "NO_GATEWAY_ONLINE")
    assert "online" in refused.json()["message"]
    assert refused.headers["retry-after"]
    await board.signs.gateway(GATEWAY, "online")
    first = await board.http.post(of_device(dev_eui), json={"payload": "01"}, headers=key)
    again = await board.http.post(of_device(dev_eui), json={"payload": "01"}, headers=key)
    assert (first.status_code, again.json()) == (201, first.json())
    other = await board.http.post(of_device(dev_eui), json={"payload": "02"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert len(await board.signs.queue(dev_eui)) == 1


async def test_429_where_a_hundred_commands_wait_for_the_display_already(board: Signboard):
    dev_eui = await board.signs.device()
    await board.send(dev_eui, payload="01")
    await board.signs.sql.execute(
        "INSERT INTO downlink.downlinks (tenant_id, dev_eui, kind, f_port, payload, expires_at) "
        "SELECT $1, $2, 'custom', 15, 'x', now() + interval '1 h' FROM generate_series(1, 99)",
        *(board.signs.tenant_id, dev_eui),
    )
    key = {"Idempotency-Key": "one-too-many"}
    refused = await board.http.post(of_device(dev_eui), json={"payload": "01"}, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMITED")
    assert refused.headers["retry-after"]
    await board.signs.sql.execute("UPDATE downlink.downlinks SET ended_at = now() WHERE dev_eui = $1", dev_eui)
    assert (await board.http.post(of_device(dev_eui), json={"payload": "01"}, headers=key)).status_code == 201


async def test_what_waits_is_taken_back_and_then_repeated(board: Signboard):
    sent = await board.send(await board.signs.device(), command=RED)
    path = f"{PATH}/{sent['id']}"
    early = await board.http.post(f"{path}/retry")
    assert (early.status_code, early.json()["code"]) == (409, "DOWNLINK_NOT_ENDED")
    cancelled = await board.http.post(f"{path}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert [one["status"] for one in (await board.get(path))["history"]] == ["queued", "cancelled"]
    again = await board.http.post(f"{path}/retry")
    assert again.status_code == 201
    assert (again.json()["payload"], again.json()["cause"]) == (sent["payload"], f"retry:{sent['id']}")
    await board.signs.end(again.json()["id"], "transmitted")
    late = await board.http.post(f"{PATH}/{again.json()['id']}/cancel")
    assert (late.status_code, late.json()["code"]) == (409, "DOWNLINK_NOT_QUEUED")
    for verb in ("cancel", "retry"):
        assert (await board.http.post(f"{PATH}/{uuid.uuid4()}/{verb}")).status_code == 404


async def test_a_list_is_narrowed_and_goes_on_from_page_to_page(board: Signboard):
    first, second = await board.signs.device(), await board.signs.device()
    space_id = await board.signs.space(first)
    made = [(await board.send(eui, payload="01"))["id"] for eui in (first, first, second, first, second)]
    await board.signs.end(made[0], "failed")
    newest = made[::-1]
    assert [one["id"] for one in (await board.get(PATH))["items"]] == newest
    pages, cursor = [], {}
    while True:
        page = await board.get(PATH, limit=2, **cursor)
        pages += [one["id"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert pages == newest
    for query, expected in (
        ({"device": second}, [made[4], made[2]]),
        ({"space": str(space_id)}, [made[3], made[1], made[0]]),
        ({"status": "failed"}, [made[0]]),
        ({"status": ["failed", "queued"], "device": second}, [made[4], made[2]]),
        ({"kind": "state"}, []),
        ({"kind": "custom", "to": datetime.now(UTC).isoformat()}, newest),
        ({"from": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}, []),
    ):
        assert [one["id"] for one in (await board.get(PATH, **query))["items"]] == expected, query
    of_second = await board.get(of_device(second))
    assert [one["id"] for one in of_second["items"]] == [made[4], made[2]]


async def test_viewers_look_operators_send_and_others_see_nothing(board: Signboard):
    dev_eui = await board.signs.device()
    sent = await board.send(dev_eui, payload="01")
    viewer, stranger = await board.key("downlinks:read"), await board.key("*", tenant_id=await _stranger(board))
    for path in (PATH, f"{PATH}/{sent['id']}", of_device(dev_eui)):
        assert (await board.http.get(path, headers=viewer)).status_code == 200
        assert (await board.http.get(path, headers=await board.key("spaces:*"))).status_code == 403
    for path, body in ((of_device(dev_eui), {"payload": "01"}), (f"{PATH}/{sent['id']}/cancel", None)):
        assert (await board.http.post(path, json=body, headers=viewer)).status_code == 403
        assert (await board.http.post(path, json=body, headers=stranger)).status_code == 404
    assert (await board.http.get(f"{PATH}/{sent['id']}", headers=stranger)).status_code == 404
    assert (await board.http.get(PATH, headers=stranger)).json()["items"] == []
    assert len(await board.signs.queue(dev_eui)) == 1


async def _stranger(board: Signboard) -> uuid.UUID:
    return (await board.signposts.town()).tenant_id


async def test_the_audit_log_tells_who_sent_what_to_whom(board: Signboard):
    dev_eui = await board.signs.device()
    await board.send(dev_eui, payload="01")
    entries = (await board.get("/api/v6/audit"))["items"]
    assert ("POST /api/v6/devices/{dev_eui}/downlinks", of_device(dev_eui), 201) in [
        (one["action"], one["path"], one["status"]) for one in entries
    ]
