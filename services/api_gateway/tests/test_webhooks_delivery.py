"""Events on their way to receivers: signed, filtered, in order, tried again, and never held up by a slow neighbour."""

import asyncio
import uuid
from itertools import pairwise

import pytest

from api_gateway.webhooks.signing import PREFIX
from stack.waiting import eventually
from stack.webhook_events import QUICK, Street, make_hook
from stack.webhook_receiver import Receiver, Reply, receiving


@pytest.fixture
def gateway_env(gateway_env):
    return {**gateway_env, **QUICK}


@pytest.fixture
async def receiver():
    async with receiving() as one:
        yield one


@pytest.fixture
def street(bus, tenant_id) -> Street:
    return Street(bus, tenant_id)


async def test_an_event_arrives_signed_once_with_its_id_and_time(api, street, receiver: Receiver) -> None:
    hook = await make_hook(api, receiver.url)
    event_id = await street.change()
    told = (await receiver.gets(1))[0]
    assert told.verify(hook.secret) == told.event
    assert told.id == event_id
    assert set(told.event) == {"type", "timestamp", "data"}
    assert (told.event["type"], told.event["timestamp"]) == ("space.state_changed", "2026-05-04T10:00:00+00:00")
    assert told.event["data"]["space_id"] == str(street.space_id)
    delivery = (await hook.delivered(1))[0]
    assert (delivery["event_id"], delivery["attempts"], delivery["last_status"]) == (event_id, 1, 204)
    assert (delivery["stream"], delivery["sequence"], delivery["replay"]) == ("SPACES", 1, 0)
    assert receiver.ids == [event_id]


async def test_the_same_event_published_again_is_sent_once(api, street, receiver: Receiver) -> None:
    await make_hook(api, receiver.url)
    twice = await street.change(event_id="twice")
    await street.change(event_id="twice")
    last = await street.change()
    await eventually(lambda: last in receiver.ids)
    assert receiver.ids == [twice, last]


async def test_only_what_an_endpoint_asked_for_is_sent(api, bus, registry, tenant_id) -> None:
    site = await registry.site(tenant_id)
    booked = await registry.space(tenant_id, site)
    here, elsewhere = Street(bus, tenant_id, site_id=site), Street(bus, tenant_id)
    stranger = Street(bus, await registry.tenant("other"), site_id=site)
    async with receiving() as all_of_it, receiving() as one_site, receiving() as bookings:
        await make_hook(api, all_of_it.url)
        await make_hook(api, one_site.url, site_ids=[str(site)])
        await make_hook(api, bookings.url, event_types=["reservation.opened"])
        await stranger.change()
        sent = [await here.change(), await elsewhere.change(), await here.reserve(booked), await elsewhere.reserve()]
        await all_of_it.gets(4)
        await one_site.gets(2)
        await bookings.gets(2)
        assert set(all_of_it.ids) == set(sent)
        assert set(one_site.ids) == {sent[0], sent[2]}
        assert set(bookings.ids) == {sent[2], sent[3]}


async def test_attempts_begin_in_the_order_of_the_events(run_service, gateway_env, bus, sql, client_for) -> None:
    env = {**gateway_env, "PARKSTREAM_WEBHOOK_ENDPOINT_IN_FLIGHT_COUNT": "1"}
    gateways = [await run_service("api_gateway", env) for _ in range(2)]
    street = Street(bus, await sql.fetchval("SELECT id FROM gateway.tenants"))
    async with receiving() as receiver:
        await make_hook(client_for(gateways[0]), receiver.url)
        sent = [await street.change() for _ in range(100)]
        await receiver.gets(100)
        assert receiver.ids == sent
        assert receiver.most_at_once == 1


async def test_two_replicas_send_each_event_once(run_service, gateway_env, bus, sql, client_for) -> None:
    gateways = [await run_service("api_gateway", gateway_env) for _ in range(2)]
    street = Street(bus, await sql.fetchval("SELECT id FROM gateway.tenants"))
    async with receiving() as one, receiving() as other:
        hooks = [await make_hook(client_for(gateways[0]), receiver.url) for receiver in (one, other)]
        sent = [await street.change() for _ in range(150)]
        sent += [await street.reserve() for _ in range(50)]
        for receiver, hook in zip((one, other), hooks, strict=True):
            await hook.delivered(200)
            assert sorted(receiver.ids) == sorted(sent)
            assert receiver.most_at_once <= 4


async def test_a_failure_is_tried_again_with_the_same_id_and_a_new_signature(api, street) -> None:
    answers = iter([500, 302, 429])
    async with receiving(lambda _: Reply(next(answers, 204))) as receiver:
        hook = await make_hook(api, receiver.url)
        event_id = await street.change()
        told = await receiver.gets(4)
        for one in told:
            assert (one.id, one.verify(hook.secret)) == (event_id, told[0].event)
        delivery = (await hook.delivered(1))[0]
        assert (delivery["attempts"], delivery["last_error"]) == (4, None)
        detail = (await api.get(f"{hook.path}/deliveries/{delivery['id']}")).json()
    assert [one["status"] for one in detail["attempt_log"]] == [500, 302, 429, 204]
    assert "redirects are not followed" in detail["attempt_log"][1]["error"]
    assert detail["body"].encode() == told[0].body
    assert (await hook.shown())["failures"] == 0


async def test_after_the_last_retry_a_delivery_has_failed(api, street) -> None:
    async with receiving(lambda _: Reply(500)) as receiver:
        hook = await make_hook(api, receiver.url)
        await street.change()
        await eventually(lambda: hook.deliveries("failed"))
        assert len(receiver.received) == 4
        shown = await hook.shown()
    assert (shown["failures"], shown["enabled"]) == (4, True)
    assert shown["failing_since"] is not None


async def test_a_failing_delivery_holds_later_ones_up_by_nothing(api, street) -> None:
    poison = str(uuid.uuid4())
    async with receiving(lambda told: Reply(500 if told.id == poison else 204)) as receiver:
        hook = await make_hook(api, receiver.url)
        await street.change(event_id=poison)
        await receiver.gets(1)
        later = [await street.change() for _ in range(20)]
        await hook.delivered(20)
        assert [one for one in receiver.ids if one != poison] == later


async def test_a_slow_receiver_holds_no_other_up(run_service, gateway_env, bus, sql, client_for) -> None:
    env = {**gateway_env, "PARKSTREAM_WEBHOOK_IN_FLIGHT_COUNT": "6", "PARKSTREAM_WEBHOOK_ATTEMPT_SECONDS": "60"}
    api = client_for(await run_service("api_gateway", env))
    street = Street(bus, await sql.fetchval("SELECT id FROM gateway.tenants"))
    release = asyncio.Event()
    async with receiving(lambda _: Reply(wait=release)) as slow, receiving() as quick:
        await make_hook(api, slow.url)
        await make_hook(api, quick.url)
        sent = [await street.change() for _ in range(30)]
        await quick.gets(30)
        assert quick.ids == sent
        assert slow.most_at_once == 4
        release.set()
        await slow.gets(30)


async def test_410_disables_at_once_and_cancels_what_waits(api, street) -> None:
    release = asyncio.Event()
    async with receiving(lambda _: Reply(410, wait=release)) as receiver:
        hook = await make_hook(api, receiver.url)
        for _ in range(10):
            await street.change()
        await receiver.gets(4)
        release.set()
        await eventually(lambda: hook.deliveries("cancelled"))
        shown = await hook.shown()
        assert (shown["enabled"], shown["disabled_reason"]) == (False, "the receiver answered 410 Gone")
        await eventually(lambda: _none_waits(hook))
        cancelled = await hook.deliveries("cancelled")
        assert {one["last_error"] for one in cancelled} == {
            "the endpoint was disabled: the receiver answered 410 Gone"
        }
        assert len(receiver.received) == 4


async def _none_waits(hook) -> bool:
    return not await hook.deliveries("pending")


async def test_days_of_nothing_but_failures_disable(api, street, sql) -> None:
    async with receiving(lambda _: Reply(500)) as receiver:
        hook = await make_hook(api, receiver.url)
        for _ in range(3):
            await street.change()
        await eventually(lambda: _failed(hook, 3))
        assert (await hook.shown())["enabled"]
        await sql.execute("UPDATE gateway.webhook_endpoints SET failing_since = now() - interval '6 days'")
        await street.change()
        await eventually(lambda: _is_disabled(hook))
    assert (await hook.shown())["disabled_reason"].startswith("nothing but failures since 20")


async def _failed(hook, count: int) -> bool:
    return len(await hook.deliveries("failed")) >= count


async def _is_disabled(hook) -> bool:
    return not (await hook.shown())["enabled"]


async def test_disabled_it_is_sent_nothing_and_enabled_again_it_goes_on_from_then(api, street, receiver) -> None:
    hook = await make_hook(api, receiver.url)
    first = await street.change()
    await receiver.gets(1)
    assert (await hook.change(enabled=False))["disabled_reason"] == "disabled by a request"
    missed = await street.change()
    async with receiving() as witness:
        await make_hook(api, witness.url)
        await street.change()
        await witness.gets(1)
    await hook.change(enabled=True)
    last = await street.change()
    await receiver.gets(2)
    assert receiver.ids == [first, last]
    assert missed not in {one["event_id"] for one in await hook.deliveries()}


async def test_retry_after_is_kept_to(api, street) -> None:
    answers = iter([Reply(503, {"retry-after": "1"})])
    times = []

    def answer(_told) -> Reply:
        times.append(asyncio.get_running_loop().time())
        return next(answers, Reply())

    async with receiving(answer) as receiver:
        await make_hook(api, receiver.url)
        await street.change()
        await receiver.gets(2)
    assert all(later - earlier >= 1 for earlier, later in pairwise(times))


async def test_both_secrets_sign_while_one_is_replaced(api, street, receiver: Receiver) -> None:
    hook = await make_hook(api, receiver.url)
    rotated = (await hook.post("rotate-secret")).json()
    assert rotated["secret"].startswith(PREFIX)
    assert rotated["previous_until"] is not None
    await street.change()
    told = (await receiver.gets(1))[0]
    for secret in (hook.secret, rotated["secret"]):
        told.verify(secret)
    leaked = (await hook.post("rotate-secret", {"overlap_seconds": 0})).json()
    assert leaked["previous_until"] is None
    await street.change()
    told = (await receiver.gets(2))[1]
    told.verify(leaked["secret"])
    assert len(told.headers["webhook-signature"].split(" ")) == 1


async def test_metrics_tell_of_attempts_and_what_waits(api, street, receiver: Receiver) -> None:
    hook = await make_hook(api, receiver.url)
    await street.change()
    await hook.delivered(1)
    told = (await api.get("/metrics")).text
    assert 'parkstream_gateway_webhook_attempts_total{outcome="delivered"} 1.0' in told
    assert 'parkstream_gateway_webhook_events_total{stream="SPACES"} 1.0' in told
    assert "parkstream_gateway_webhooks_oldest_pending_seconds" in told
    health = (await api.get("/health")).json()
    assert health["checks"]["webhooks"] == "ok"
