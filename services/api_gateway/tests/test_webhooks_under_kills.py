"""kill -9 in every gap on an event's way to its receiver: nothing is lost, and only what was under way comes twice."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from nats.js import api as jetstream_api

from stack.http_client import http_client
from stack.redelivery import redeliver_after
from stack.valve import valve_before
from stack.waiting import eventually
from stack.webhook_events import QUICK, Street, make_hook
from stack.webhook_receiver import Receiver, Reply, receiving

KEY = "pk_bootstrap01_" + "s" * 43
StartGateway = Callable[..., Awaitable[tuple]]


@pytest.fixture
def gateway_env(gateway_env):
    return {**gateway_env, **QUICK}


@pytest.fixture
async def start(run_service, gateway_env) -> AsyncIterator[StartGateway]:
    """A gateway with more of an environment, and a client of it."""
    async with AsyncExitStack() as stack:

        async def start_one(**changes: str) -> tuple:
            gateway = await run_service("api_gateway", {**gateway_env, **changes})
            client = http_client(base_url=gateway.url, headers={"X-API-Key": KEY}, timeout=20)
            return gateway, await stack.enter_async_context(client)

        yield start_one


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@pytest.fixture
async def soon_again(bus) -> None:
    """What is not acknowledged is delivered again after a second, not after thirty."""
    await redeliver_after(bus, 1, "api_gateway")


async def street_of(sql, bus) -> Street:
    return Street(bus, await sql.fetchval("SELECT id FROM gateway.tenants"))


async def unacknowledged(bus) -> jetstream_api.ConsumerInfo:
    return await bus.jetstream().consumer_info("SPACES", "api_gateway")


async def test_between_the_commit_and_the_acknowledgement(start, gateway_env, bus, sql, receiver, soon_again) -> None:
    url = gateway_env["PARKSTREAM_NATS_URL"]
    async with valve_before(int(url.rpartition(":")[2])) as valve:
        through_valve = re.sub(r":\d+$", f":{valve.port}", url)
        gateway, api = await start(PARKSTREAM_NATS_URL=through_valve)
        street = await street_of(sql, bus)
        hook = await make_hook(api, receiver.url)
        first = await street.change()
        await hook.delivered(1)
        valve.is_shut = True
        second = await street.change()
        await hook.delivered(2)
        assert (await unacknowledged(bus)).num_ack_pending == 1
        gateway.kill()
    _, api = await start()
    hook.api = api
    third = await street.change()
    await hook.delivered(3)
    await eventually(lambda: _all_acknowledged(bus))
    assert (await unacknowledged(bus)).delivered.consumer_seq > 3  # it did come again
    assert [one["event_id"] for one in await hook.deliveries()] == [first, second, third]
    assert receiver.ids == [first, second, third]


async def _all_acknowledged(bus) -> bool:
    info = await unacknowledged(bus)
    return info.num_ack_pending == 0 and info.num_pending == 0


async def test_before_the_commit(start, bus, sql, database, receiver, soon_again) -> None:
    gateway, api = await start()
    street = await street_of(sql, bus)
    hook = await make_hook(api, receiver.url)
    async with sql.transaction():
        await sql.execute("LOCK TABLE gateway.webhook_deliveries IN EXCLUSIVE MODE")
        event_id = await street.change()
        await eventually(lambda: sql.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode LIKE 'Row%'"))
        gateway.kill()
    _, hook.api = await start()
    await hook.delivered(1)
    await eventually(lambda: _all_acknowledged(bus))
    assert receiver.ids == [event_id]
    assert len(await hook.deliveries()) == 1


async def test_while_a_receiver_thinks_about_it(start, bus, sql) -> None:
    answers = iter([Reply(wait=asyncio.Event())])
    async with receiving(lambda _: next(answers, Reply())) as receiver:
        gateway, api = await start(PARKSTREAM_WEBHOOK_ATTEMPT_SECONDS="60")
        street = await street_of(sql, bus)
        hook = await make_hook(api, receiver.url)
        event_id = await street.change()
        await receiver.gets(1)
        gateway.kill()
        _, hook.api = await start()
        # Its claim ends by itself; the minute is not waited for here.
        await sql.execute("UPDATE gateway.webhook_deliveries SET leased_until = now(), next_attempt_at = now()")
        delivery = (await hook.delivered(1))[0]
        assert delivery["attempts"] == 2
        assert receiver.ids == [event_id, event_id]


async def test_a_stop_waits_for_answers_and_hands_over_what_does_not_come(start, bus, sql) -> None:
    release, never = asyncio.Event(), asyncio.Event()
    slow, stuck = str(uuid.uuid4()), str(uuid.uuid4())
    waits = {slow: release, stuck: never}
    async with receiving(lambda told: Reply(wait=waits.get(told.id))) as receiver:
        gateway, api = await start(PARKSTREAM_WEBHOOK_ATTEMPT_SECONDS="60")
        street = await street_of(sql, bus)
        hook = await make_hook(api, receiver.url)
        await street.change(event_id=slow)
        await street.change(event_id=stuck)
        await receiver.gets(2)
        stopping = asyncio.create_task(asyncio.to_thread(gateway.stop))
        await eventually(lambda: "service_stopping" in gateway.log.read_text())
        release.set()
        assert await stopping == 0
        waits.clear()
        states = {row["event_id"]: row["state"] for row in await sql.fetch("SELECT * FROM gateway.webhook_deliveries")}
        assert states == {slow: "delivered", stuck: "pending"}
        _, hook.api = await start()
        await hook.delivered(2)
        assert receiver.ids == [slow, stuck, stuck]


async def test_the_one_that_takes_events_in(start, bus, sql, receiver, soon_again) -> None:
    leader, api = await start()
    _, other = await start()
    street = await street_of(sql, bus)
    hook = await make_hook(api, receiver.url)
    sent = [await street.change() for _ in range(3)]
    await hook.delivered(3)
    leader.kill()
    hook.api = other
    sent += [await street.change() for _ in range(3)]
    await hook.delivered(6)
    assert sorted(receiver.ids) == sorted(sent)


async def test_in_the_middle_of_a_replay(start, bus, sql, receiver) -> None:
    gateway, api = await start()
    street = await street_of(sql, bus)
    sent = [each for _ in range(8) for each in await asyncio.gather(*(street.change() for _ in range(50)))]
    hook = await make_hook(api, receiver.url)
    async with sql.transaction():
        await sql.execute("LOCK TABLE gateway.webhook_deliveries IN EXCLUSIVE MODE")
        assert (await hook.post("replay", {"after": "0.0"})).status_code == 202
        await eventually(lambda: sql.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND mode LIKE 'Row%'"))
        gateway.kill()
    _, hook.api = await start()
    await receiver.gets(len(sent), within=30)
    assert set(receiver.ids) == set(sent)
    assert await sql.fetchval("SELECT count(*) FROM gateway.webhook_deliveries") == len(sent)
