"""Commands on downlinks: what can arrive is queued in its order, what cannot is refused and leaves nothing behind."""

import base64
from uuid import UUID, uuid4

import pytest

from parking_contracts.downlink_commands import CancelDownlink, ResyncDisplay, RetryDownlink, SendDownlink
from parking_contracts.errors import ErrorCode, Refusal
from stack.signposts import GATEWAY, LIGHT, RGB, SIGN, Signs

pytestmark = pytest.mark.asyncio(loop_scope="module")

COLOUR = {"command": "colour", "red": 255, "green": 50, "blue": 0}


@pytest.mark.parametrize(
    ("profile", "command", "f_port", "payload"),
    [
        (LIGHT, COLOUR, 15, "ff0032ff00"),
        (
            LIGHT,
            {**COLOUR, "on_centiseconds": 100, "off_centiseconds": 100, "request_report": True},
            15,
            "ff0032646401",
        ),
        (LIGHT, {"command": "report_now"}, 15, "0501"),
        (LIGHT, {"command": "report_interval", "minutes": 15}, 15, "040f"),
        (LIGHT, {"command": "automatic_reply", "enabled": True}, 15, "0601"),
        (SIGN, {"command": "state", "state": "reserved"}, 1, "03"),
        (SIGN, {"command": "count", "count": 24}, 1, "3234"),
        (RGB, COLOUR, 1, "ff3200"),
    ],
)
async def test_a_command_becomes_the_bytes_of_its_display(signs: Signs, profile, command, f_port, payload):
    dev_eui = await signs.device(profile)
    sent = await signs.ask(SendDownlink(dev_eui=dev_eui, command=command))
    assert (sent["f_port"], sent["payload"], sent["status"], sent["kind"]) == (f_port, payload, "queued", "custom")
    assert command.items() <= sent["command"].items()


@pytest.mark.parametrize(
    ("payload", "encoding"), [("ff:00 32FF00", "hex"), (base64.b64encode(b"\xff\x00\x32\xff\x00").decode(), "base64")]
)
async def test_raw_bytes_are_taken_in_either_notation(signs: Signs, payload, encoding):
    dev_eui = await signs.device(LIGHT)
    own = await signs.ask(SendDownlink(dev_eui=dev_eui.upper(), payload=payload, encoding=encoding))
    other = await signs.ask(
        SendDownlink(dev_eui=dev_eui, payload=payload, encoding=encoding, f_port=223, confirmed=True)
    )
    assert (own["f_port"], own["payload"], own["confirmed"], own["command"]) == (15, "ff0032ff00", False, None)
    assert (other["f_port"], other["payload"], other["confirmed"]) == (223, "ff0032ff00", True)
    assert await signs.queue(dev_eui) == [UUID(own["id"]), UUID(other["id"])]


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("payload", {}),
        ("command", {"payload": "01", "command": COLOUR}),
        ("payload", {"payload": "abc"}),
        ("payload", {"payload": "zz"}),
        ("payload", {"payload": ""}),
        ("payload", {"payload": "ff*", "encoding": "base64"}),
        ("payload", {"payload": "00" * 243}),
        ("f_port", {"command": COLOUR, "f_port": 3}),
        ("command", {"command": {"command": "dance"}}),
        ("command", {"command": {"red": 255}}),
        ("command", {"command": {"command": ["colour"]}}),
        ("command", {"command": {"command": "colour", "red": 255}}),
        ("command", {"command": {**COLOUR, "blink": True}}),
        ("command", {"command": {**COLOUR, "red": 256}}),
        ("command", {"command": {"command": "count", "count": 3}}),
        ("command", {"command": {"command": "state", "state": "free"}}),
    ],
)
async def test_what_a_light_cannot_be_sent_is_refused_with_its_field(signs: Signs, field, asked):
    refusal = await signs.refused(SendDownlink(dev_eui=await signs.device(LIGHT), **asked))
    assert (refusal.code, refusal.details["field"]) == (ErrorCode.VALIDATION_ERROR, field)


@pytest.mark.parametrize("f_port", [0, 224, 255, 256, 257, -1])
async def test_a_port_that_lorawan_keeps_for_itself_is_refused(signs: Signs, f_port):
    refusal = await signs.refused(SendDownlink(dev_eui=await signs.device(), payload="01", f_port=f_port))
    assert refusal.code is ErrorCode.VALIDATION_ERROR
    assert "f_port" in refusal.message


async def test_only_displays_of_the_tenants_own_applications_are_sent_to(signs: Signs, signposts):
    neighbour = await signposts.town()
    for dev_eui, code, field in (
        (await neighbour.device(), ErrorCode.RECORD_NOT_FOUND, None),
        ("ffffffffffffffff", ErrorCode.RECORD_NOT_FOUND, None),
        (await signs.device("Bosch TPS110"), ErrorCode.VALIDATION_ERROR, "dev_eui"),
        (await signs.device(bound=False), ErrorCode.VALIDATION_ERROR, "dev_eui"),
        ("nonsense", ErrorCode.VALIDATION_ERROR, "dev_eui"),
    ):
        refusal = await signs.refused(SendDownlink(dev_eui=dev_eui, payload="01"))
        assert (refusal.code, refusal.details.get("field")) == (code, field)
    theirs = await neighbour.ask(SendDownlink(dev_eui=await neighbour.device(), payload="01"))
    for body in (
        CancelDownlink(id=UUID(theirs["id"])),
        RetryDownlink(id=UUID(theirs["id"])),
        CancelDownlink(id=uuid4()),
    ):
        assert (await signs.refused(body)).code is ErrorCode.RECORD_NOT_FOUND


async def test_a_device_whose_application_is_let_go_is_sent_nothing_any_more(signs: Signs):
    dev_eui = await signs.device()
    earlier = await signs.ask(SendDownlink(dev_eui=dev_eui, payload="01"))
    await signs.ask(CancelDownlink(id=UUID(earlier["id"])))
    await signs.sql.execute("DELETE FROM occupancy.applications WHERE tenant_id = $1", signs.tenant_id)
    assert (await signs.refused(SendDownlink(dev_eui=dev_eui, payload="01"))).details == {"field": "dev_eui"}
    assert (await signs.refused(RetryDownlink(id=UUID(earlier["id"])))).details == {"field": "dev_eui"}


async def test_without_a_gateway_online_nothing_is_queued_and_the_reason_is_told(signs: Signs):
    dev_eui = await signs.device()
    body = SendDownlink(dev_eui=dev_eui, payload="01")
    await signs.gateway(state="offline")
    refusal = await signs.refused(body, idempotency_key="once", body_sha256="x")
    assert (refusal.code, refusal.details) == (ErrorCode.NO_GATEWAY_ONLINE, {"gateways": 1})
    await signs.gateway("0016c001f153a14d")
    # the same request may be sent again once it can succeed
    assert not isinstance(await signs.ask(body, idempotency_key="once", body_sha256="x"), Refusal)
    await signs.sql.execute("UPDATE downlink.displays SET gateway_id = $2 WHERE dev_eui = $1", dev_eui, GATEWAY)
    refusal = await signs.refused(body)
    assert (refusal.code, refusal.details) == (ErrorCode.NO_GATEWAY_ONLINE, {"gateway_id": GATEWAY})
    # what was told long ago is no knowledge
    await signs.sql.execute("UPDATE downlink.gateways SET synced_at = now() - interval '1 day'")
    assert not isinstance(await signs.ask(body), Refusal)


async def test_what_waits_can_be_taken_back_and_what_ended_can_be_repeated(signs: Signs):
    dev_eui = await signs.device()
    sent = await signs.ask(SendDownlink(dev_eui=dev_eui, command=COLOUR, confirmed=True, ttl_seconds=60))
    downlink_id = UUID(sent["id"])
    refusal = await signs.refused(RetryDownlink(id=downlink_id))
    assert (refusal.code, refusal.details) == (ErrorCode.DOWNLINK_NOT_ENDED, {"status": "queued"})
    taken_back = await signs.ask(CancelDownlink(id=downlink_id))
    assert (taken_back["status"], taken_back["ended_at"] is not None) == ("cancelled", True)
    assert (await signs.ask(CancelDownlink(id=downlink_id)))["ended_at"] == taken_back["ended_at"]
    again = await signs.ask(RetryDownlink(id=downlink_id))
    same = ("dev_eui", "f_port", "payload", "confirmed", "command")
    assert {name: again[name] for name in same} == {name: sent[name] for name in same}
    assert (again["status"], again["cause"]) == ("queued", f"retry:{downlink_id}")
    assert await signs.queue(dev_eui) == [UUID(again["id"])]
    steps = await signs.sql.fetch(
        "SELECT status, detail FROM downlink.downlink_steps WHERE downlink_id = $1 ORDER BY n", downlink_id
    )
    assert [tuple(step) for step in steps] == [("queued", "by key:test"), ("cancelled", "by key:test")]


@pytest.mark.parametrize("status", ["sent", "transmitted", "acknowledged"])
async def test_what_was_sent_can_neither_be_taken_back_nor_repeated(signs: Signs, status):
    sent = await signs.ask(SendDownlink(dev_eui=await signs.device(), payload="01"))
    await signs.end(sent["id"], status)
    for body, code in (
        (CancelDownlink(id=UUID(sent["id"])), ErrorCode.DOWNLINK_NOT_QUEUED),
        (RetryDownlink(id=UUID(sent["id"])), ErrorCode.DOWNLINK_NOT_ENDED),
    ):
        refusal = await signs.refused(body)
        assert (refusal.code, refusal.details) == (code, {"status": status})


async def test_what_its_data_rate_was_found_too_slow_for_is_refused_for_a_while(signs: Signs):
    dev_eui = await signs.device()
    long = await signs.ask(SendDownlink(dev_eui=dev_eui, payload="00" * 60))
    await signs.end(long["id"], "failed")
    await signs.sql.execute(
        "UPDATE downlink.downlinks SET last_error = 'DOWNLINK_PAYLOAD_SIZE: too long' WHERE id = $1", UUID(long["id"])
    )
    for body in (SendDownlink(dev_eui=dev_eui, payload="00" * 60), RetryDownlink(id=UUID(long["id"]))):
        refusal = await signs.refused(body)
        assert (refusal.code, refusal.details) == (ErrorCode.VALIDATION_ERROR, {"field": "payload"})
    assert not isinstance(await signs.ask(SendDownlink(dev_eui=dev_eui, payload="00" * 51)), Refusal)
    await signs.sql.execute(
        "UPDATE downlink.downlinks SET ended_at = now() - interval '2 hours' WHERE id = $1", UUID(long["id"])
    )
    assert not isinstance(await signs.ask(RetryDownlink(id=UUID(long["id"]))), Refusal)


async def test_a_display_has_no_endless_queue(signs: Signs):
    dev_eui = await signs.device()
    for _ in range(100):
        assert not isinstance(await signs.ask(SendDownlink(dev_eui=dev_eui, payload="01")), Refusal)
    refusal = await signs.refused(SendDownlink(dev_eui=dev_eui, payload="01"))
    assert (refusal.code, refusal.details) == (ErrorCode.RATE_LIMITED, {"limit": 100})


async def test_a_display_nobody_knows_cannot_be_resynced(signs: Signs):
    assert (await signs.refused(ResyncDisplay(dev_eui=await signs.device()))).code is ErrorCode.RECORD_NOT_FOUND
