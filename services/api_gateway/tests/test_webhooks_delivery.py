"""Events on their way to receivers: signed, filtered, in order, tried again, and never held up by a slow neighbour.

Two gateways run side by side all the time: whatever is sent is sent once.
"""

import asyncio
import uuid
from itertools import pairwise

import pytest

from stack.hooked_streets import HookedStreet
from stack.waiting import eventually
from stack.webhook_events import QUICK, Hook, Street
from stack.webhook_receiver import Received, Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def gateway_settings() -> dict[str, str]:
    return QUICK


async def test_an_event_arrives_signed_once_with_its_id_and_time(hooked: HookedStreet) -> None:
    hook, receiver = await hooked.hook()
    event_id = await hooked.street.change()
    told = (await receiver.gets(1))[0]
    assert told.verify(hook.secret) == told.event
    assert told.id == event_id
    assert set(told.event) == {"type", "timestamp", "data"}
    assert (told.event["type"], told.event["timestamp"]) == ("space.state_changed", "2026-05-04T10:00:00+00:00")
    assert told.event["data"]["space_id"] == str(hooked.street.space_id)
    delivery = (await hook.delivered(1))[0]
    assert (delivery["event_id"], delivery["attempts"], delivery["last_status"]) == (event_id, 1, 204)
    assert (delivery["stream"], delivery["replay"]) == ("SPACES", 0)
    assert receiver.ids == [event_id]


async def test_the_same_event_published_again_is_sent_once(hooked: HookedStreet) -> None:
    _, receiver = await hooked.hook()
    twice = await hooked.street.change(event_id="twice")
    await hooked.street.change(event_id="twice")
    last = await hooked.street.change()
    await eventually(lambda: last in receiver.ids)
    assert sorted(receiver.ids) == sorted([twice, last])


async def test_only_what_an_endpoint_asked_for_is_sent(hooked: HookedStreet) -> None:
    site, booked = await _site_with_a_space(hooked)
    here, elsewhere = Street(hooked.bus, hooked.tenant_id, site_id=site), hooked.street
    _, everything = await hooked.hook()
    _, one_site = await hooked.hook(site_ids=[str(site)])
    _, bookings = await hooked.hook(event_types=["reservation.opened"])
    await (await hooked.stranger()).street.change()
    sent = [await here.change(), await elsewhere.change(), await here.reserve(booked), await elsewhere.reserve()]
    await everything.gets(4)
    await one_site.gets(2)
    await bookings.gets(2)
    assert set(everything.ids) == set(sent)
    assert set(one_site.ids) == {sent[0], sent[2]}
    assert set(bookings.ids) == {sent[2], sent[3]}


async def _site_with_a_space(hooked: HookedStreet) -> tuple[uuid.UUID, uuid.UUID]:
    site = await hooked.sql.fetchval(
        "INSERT INTO occupancy.sites (tenant_id, name, time_zone) VALUES ($1, 'Street', 'UTC') RETURNING id",
        hooked.tenant_id,
    )
    space = await hooked.sql.fetchval(
        "INSERT INTO occupancy.spaces (tenant_id, site_id, code, name, state, state_layer, state_since) "
        "VALUES ($1, $2, 'A1', 'Bay', 'free', 'default', now()) RETURNING id",
        *(hooked.tenant_id, site),
    )
    return site, space


async def test_each_event_is_sent_once_and_attempts_begin_in_the_order_of_the_events(hooked: HookedStreet) -> None:
    hooks = [await hooked.hook(), await hooked.hook()]
    sent = [await hooked.street.change() for _ in range(150)]
    booked = [await hooked.street.reserve() for _ in range(30)]
    for hook, receiver in hooks:
        await hook.delivered(180)
        assert sorted(receiver.ids) == sorted(sent + booked)
        assert receiver.most_at_once <= 4
        begun = await hooked.sql.fetch(
            "SELECT event_id FROM gateway.webhook_deliveries WHERE endpoint_id = $1 AND stream = 'SPACES' "
            "ORDER BY last_attempt_at, sequence",
            uuid.UUID(hook.id),
        )
        assert [row["event_id"] for row in begun] == sent


async def test_a_failure_is_tried_again_with_the_same_id_and_a_new_signature(hooked: HookedStreet) -> None:
    answers = iter([500, 302, 429])
    hook, receiver = await hooked.hook(lambda _: Reply(next(answers, 204)))
    event_id = await hooked.street.change()
    told = await receiver.gets(4)
    for one in told:
        assert (one.id, one.verify(hook.secret)) == (event_id, told[0].event)
    delivery = (await hook.delivered(1))[0]
    assert (delivery["attempts"], delivery["last_error"]) == (4, None)
    detail = (await hooked.api.get(f"{hook.path}/deliveries/{delivery['id']}")).json()
    assert [one["status"] for one in detail["attempt_log"]] == [500, 302, 429, 204]
    assert "redirects are not followed" in detail["attempt_log"][1]["error"]
    assert detail["body"].encode() == told[0].body
    assert (await hook.shown())["failures"] == 0


async def test_after_the_last_retry_a_delivery_has_failed(hooked: HookedStreet) -> None:
    hook, receiver = await hooked.hook(lambda _: Reply(500))
    await hooked.street.change()
    await eventually(lambda: hook.deliveries("failed"))
    assert len(receiver.received) == 4
    shown = await hook.shown()
    assert (shown["failures"], shown["enabled"]) == (4, True)
    assert shown["failing_since"] is not None


async def test_a_failing_delivery_holds_later_ones_up_by_nothing(hooked: HookedStreet) -> None:
    poison = str(uuid.uuid4())
    hook, receiver = await hooked.hook(lambda told: Reply(500 if told.id == poison else 204))
    await hooked.street.change(event_id=poison)
    await receiver.gets(1)
    later = [await hooked.street.change() for _ in range(20)]
    await hook.delivered(20)
    assert sorted(one for one in receiver.ids if one != poison) == sorted(later)


async def test_a_slow_receiver_holds_no_other_up(hooked: HookedStreet) -> None:
    release = asyncio.Event()
    _, slow = await hooked.hook(lambda _: Reply(wait=release))
    quick_hook, quick = await hooked.hook()
    sent = [await hooked.street.change() for _ in range(30)]
    await quick_hook.delivered(30)
    assert sorted(quick.ids) == sorted(sent)
    assert len(slow.received) < 30
    assert slow.most_at_once == 4
    release.set()
    await eventually(lambda: set(slow.ids) == set(sent))


async def test_410_disables_at_once_and_cancels_what_waits(hooked: HookedStreet) -> None:
    release = asyncio.Event()
    hook, receiver = await hooked.hook(lambda _: Reply(410, wait=release))
    for _ in range(10):
        await hooked.street.change()
    await receiver.gets(4)
    release.set()
    await eventually(lambda: _is_disabled(hook))
    shown = await hook.shown()
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "the receiver answered 410 Gone")
    cancelled = await eventually(lambda: hook.deliveries("cancelled"))
    assert {one["last_error"] for one in cancelled} == {"the endpoint was disabled: the receiver answered 410 Gone"}
    assert not await hook.deliveries("pending")
    assert len(receiver.received) == 4


async def test_days_of_nothing_but_failures_disable(hooked: HookedStreet) -> None:
    hook, _ = await hooked.hook(lambda _: Reply(500))
    for _ in range(3):
        await hooked.street.change()
    await eventually(lambda: _has_failed(hook, 3))
    assert (await hook.shown())["enabled"]
    await hooked.sql.execute(
        "UPDATE gateway.webhook_endpoints SET failing_since = now() - interval '6 days' WHERE id = $1",
        uuid.UUID(hook.id),
    )
    await hooked.street.change()
    await eventually(lambda: _is_disabled(hook))
    assert (await hook.shown())["disabled_reason"].startswith("nothing but failures since 20")


async def _has_failed(hook: Hook, count: int) -> bool:
    return len(await hook.deliveries("failed")) >= count


async def _is_disabled(hook: Hook) -> bool:
    return not (await hook.shown())["enabled"]


async def test_disabled_it_is_sent_nothing_and_enabled_again_it_goes_on_from_then(hooked: HookedStreet) -> None:
    hook, receiver = await hooked.hook()
    _, witness = await hooked.hook()
    first = await hooked.street.change()
    await receiver.gets(1)
    assert (await hook.change(enabled=False))["disabled_reason"] == "disabled by a request"
    missed = await hooked.street.change()
    await witness.gets(2)
    await hook.change(enabled=True)
    last = await hooked.street.change()
    await receiver.gets(2)
    assert receiver.ids == [first, last]
    assert missed not in {one["event_id"] for one in await hook.deliveries()}


async def test_retry_after_is_kept_to(hooked: HookedStreet) -> None:
    answers = iter([Reply(503, {"retry-after": "1"})])
    times: list[float] = []

    def answer(_told: Received) -> Reply:
        times.append(asyncio.get_running_loop().time())
        return next(answers, Reply())

    _, receiver = await hooked.hook(answer)
    await hooked.street.change()
    await receiver.gets(2)
    assert all(later - earlier >= 1 for earlier, later in pairwise(times))


async def test_both_secrets_sign_while_one_is_replaced(hooked: HookedStreet) -> None:
    hook, receiver = await hooked.hook()
    rotated = (await hook.post("rotate-secret")).json()
    assert rotated["secret"].startswith("whsec_")
    assert rotated["previous_until"] is not None
    await hooked.street.change()
    told = (await receiver.gets(1))[0]
    for secret in (hook.secret, rotated["secret"]):
        told.verify(secret)
    leaked = (await hook.post("rotate-secret", {"overlap_seconds": 0})).json()
    assert leaked["previous_until"] is None
    await hooked.street.change()
    told = (await receiver.gets(2))[1]
    told.verify(leaked["secret"])
    assert len(told.headers["webhook-signature"].split(" ")) == 1


async def test_a_message_that_is_no_event_becomes_a_dead_letter_and_stops_nothing(hooked: HookedStreet) -> None:
    _, receiver = await hooked.hook()
    subject = f"parking.v1.space.{hooked.tenant_id}.{uuid.uuid4()}.state_changed"
    headers = {"ce-type": "parkstream.space.state_changed.v1"}
    await hooked.bus.jetstream().publish(subject, b"no JSON", headers=headers)
    event_id = await hooked.street.change()
    assert (await receiver.gets(1))[0].id == event_id
    letter = await hooked.bus.jetstream().get_last_msg("DEAD_LETTERS", "parking.v1.dead.api_gateway.invalid_event")
    assert subject in (letter.data or b"").decode()


async def test_metrics_tell_of_attempts_and_what_waits(hooked: HookedStreet) -> None:
    hook, _ = await hooked.hook()
    await hooked.street.change()
    await hook.delivered(1)
    told = [(await client.get("/metrics")).text for client in (hooked.gateways.first, hooked.gateways.second)]
    assert any('webhook_attempts_total{outcome="delivered"}' in one for one in told)
    assert any('webhook_events_total{stream="SPACES"}' in one for one in told)
    assert all("parkstream_gateway_webhooks_oldest_pending_seconds" in one for one in told)
    health = (await hooked.api.get("/health")).json()
    assert health["checks"]["webhooks"] == "ok"
