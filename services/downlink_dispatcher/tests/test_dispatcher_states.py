"""A space changes, and its display is sent what it should show: no more often than needed, and the last state last."""

import asyncio
import itertools
import time
from datetime import timedelta

import pytest

from downlink_dispatcher.domain.buckets import Limits
from stack.display_street import RED, YELLOW, RecordingNetwork, Street, rules
from stack.signposts import RGB, SIGN
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("profile", "payload"),
    [("Kuando Busylight", "ff0000ff00"), (SIGN, "02"), (RGB, "ff0000")],
)
async def test_each_family_gets_its_own_bytes(street: Street, profile: str, payload: str):
    display, space = await street.display(profile)
    network = RecordingNetwork()
    async with street.sending(network):
        await street.show(space, "occupied")
        await street.settled()
    assert network.sent_to(display) == [bytes.fromhex(payload)]
    row = await street.row(display)
    assert (row["desired"], row["sent_version"], row["space_id"]) == ("occupied", row["desired_version"], space)
    (command,) = await street.commands(display)
    assert (command["status"], command["kind"], command["attempts"]) == ("sent", "state", 0)
    assert command["queue_item_id"] == network.queues[display][0][0]
    steps = await street.sql.fetch(
        "SELECT status FROM downlink.downlink_steps WHERE downlink_id = $1 ORDER BY n", command["id"]
    )
    assert [step["status"] for step in steps] == ["queued", "sent"]


async def test_there_and_back_in_quick_succession_ends_where_it_began_with_two_sends_at_most(street: Street):
    pairs = await street.displays(20)
    network = RecordingNetwork()
    async with street.sending(network):
        for _, space in pairs:
            for state in ("occupied", "free", "occupied"):
                await street.show(space, state)
        await street.settled()
    for display, _ in pairs:
        assert network.sent_to(display)[-1] == RED
        assert len(network.sent_to(display)) <= 2


async def test_what_comes_back_before_it_was_sent_costs_nothing(street: Street):
    display, space = await street.display()
    network = RecordingNetwork()
    async with street.sending(network):
        await street.show(space, "occupied")
        await street.settled()
    for state in ("reserved", "occupied"):
        await street.show(space, state, tell=False)
        await street.wish(space)
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == [RED]
    row = await street.row(display)
    assert row["sent_version"] == row["desired_version"] == 3


async def test_a_change_while_the_last_one_is_being_handed_over_follows_it(street: Street):
    display, space = await street.display()
    gate = asyncio.Event()
    network = RecordingNetwork(trouble=lambda _: gate.wait())
    async with street.sending(network):
        await street.show(space, "occupied")
        await eventually(lambda: street.is_claimed(display))
        await street.show(space, "reserved")
        gate.set()
        await street.settled()
    assert network.sent_to(display) == [RED, YELLOW]
    assert await street.statuses(display) == ["superseded", "sent"]


async def test_a_thousand_changes_of_one_space_cost_at_most_the_buckets_worth_and_end_right(street: Street):
    display, space = await street.display()
    await street.wish(space)
    await street.sql.execute("UPDATE downlink.displays SET gateway_id = 'aa' WHERE dev_eui = $1", display)
    network, per_minute = RecordingNetwork(), 10.0
    began = time.monotonic()
    async with street.sending(network, rules(limits=Limits(per_minute, 100.0), spacing=timedelta(0))):
        states = itertools.cycle(("occupied", "free", "reserved", "maintenance"))
        for _ in range(1000):
            await street.show(space, next(states))
        await street.show(space, "occupied")
        await street.settled(30)
        took = time.monotonic() - began
    assert network.sent_to(display)[-1] == RED
    assert per_minute <= len(network.items) <= per_minute + took * per_minute / 60
