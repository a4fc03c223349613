"""Limits and replicas: tokens that several senders share, and displays that each is sent to by one of them."""

import asyncio
import time
from datetime import timedelta

import pytest

from downlink_dispatcher.domain.buckets import Limits
from stack.display_street import GREEN, PLENTY, RED, RecordingNetwork, Street, rules
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def heard_by(street: Street, gateway_id: str, *displays: str) -> None:
    await street.sql.execute(
        "UPDATE downlink.displays SET gateway_id = $1 WHERE dev_eui = ANY($2)", gateway_id, displays
    )


async def test_senders_side_by_side_never_exceed_the_limit_together(street: Street):
    pairs = await street.displays(60)
    await street.wish(*(space for _, space in pairs))
    await heard_by(street, "g1", *(display for display, _ in pairs))
    # Ten are there, and ten more come each second.
    began = time.perf_counter()
    await street.sql.execute("INSERT INTO downlink.token_buckets VALUES ('gateway:g1', 10, now())")
    network = RecordingNetwork()
    async with street.sending(network, rules(limits=Limits(600, PLENTY)), senders=4):
        await street.settled(30)
    assert len(network.items) == 60
    for count, at in enumerate(network.times, 1):
        assert count <= 10 + (at - began) * 10 + 1


async def test_a_tenants_limit_holds_over_all_its_gateways_and_is_no_others_trouble(street: Street):
    pairs = await street.displays(30)
    await street.wish(*(space for _, space in pairs))
    for number, (display, _) in enumerate(pairs):
        await heard_by(street, f"of-tenant-{number}", display)
    network = RecordingNetwork()
    async with street.sending(network, rules(limits=Limits(PLENTY, 20)), senders=2):
        await eventually(lambda: len(network.items) == 20)
        await eventually(lambda: street.are_waiting(10))
    assert len(network.items) == 20
    keys = await street.sql.fetch("SELECT key FROM downlink.token_buckets WHERE tokens < 1")
    assert f"tenant:{street.signs.tenant_id}" in {row["key"] for row in keys}
    # Who got no token of the tenant's has taken none of its gateway's.
    untouched = await street.sql.fetchval(
        "SELECT count(*) FROM downlink.token_buckets WHERE key LIKE 'gateway:of-tenant-%' AND tokens = $1", PLENTY
    )
    assert untouched == 10


async def test_a_display_with_a_long_queue_lets_others_of_its_gateway_have_their_turn(street: Street):
    (busy, its_space), (other, others_space) = await street.displays(2)
    async with street.sending(RecordingNetwork()):
        await street.wish(its_space, others_space)
        await street.settled()
    await heard_by(street, "shared", busy, other)
    await street.sql.execute(
        "UPDATE downlink.displays SET desired_at = now() - interval '1 day' WHERE dev_eui = $1", busy
    )
    for number in range(8):
        await street.queue(busy, bytes([number]), f_port=99)
    await street.show(others_space, "occupied")
    await street.wish(others_space)  # by its event it might come only after some were sent
    await street.sql.execute("INSERT INTO downlink.token_buckets VALUES ('gateway:shared', 0, now())")
    network = RecordingNetwork()
    async with street.sending(network, rules(limits=Limits(120, PLENTY))):
        await street.settled(30)
    assert network.sent_to(other) == [RED]
    assert len(network.sent_to(busy)) == 8
    assert [item.dev_eui for item in network.items].index(other) < 4


async def test_replicas_send_each_display_its_state_once(street: Street):
    pairs = await street.displays(150)
    networks = [RecordingNetwork() for _ in range(3)]
    async with (
        street.sending(networks[0]),
        street.sending(networks[1]),
        street.sending(networks[2]),
    ):
        await street.wish(*(space for _, space in pairs))
        await street.settled()
        for _, space in pairs:
            await street.show(space, "occupied")
        await street.settled(30)
    for display, _ in pairs:
        sent = [payload for network in networks for payload in network.sent_to(display)]
        assert sorted(sent) == sorted([GREEN, RED])
    assert sum(bool(network.items) for network in networks) >= 2


async def test_a_claim_that_is_over_is_taken_up_by_another_and_honoured_no_more(street: Street):
    display, space = await street.display()
    await street.wish(space)
    gate = asyncio.Event()
    stuck = RecordingNetwork(trouble=lambda _: gate.wait())
    network = RecordingNetwork()
    async with street.sending(stuck, rules(lease=timedelta(seconds=1)), at_once=1):
        await eventually(lambda: street.is_claimed(display))
        async with street.sending(network):
            await eventually(lambda: network.sent_to(display) == [GREEN])
            await eventually(lambda: street.is_sent(display))
        (command,) = await street.commands(display)
        gate.set()
        await eventually(lambda: stuck.sent_to(display) == [GREEN])
    (after,) = await street.commands(display)
    assert after["queue_item_id"] == command["queue_item_id"] == network.queues[display][0][0]
