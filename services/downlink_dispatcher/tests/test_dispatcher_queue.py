"""Free-form commands: in their order, before the state, which follows when they may have changed what is shown."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from downlink_dispatcher.network.transport import EnqueueFailedError, Item
from stack.display_street import GREEN, RED, RecordingNetwork, Street, rules
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER_PORT = 99


async def shown(street: Street, network: RecordingNetwork) -> str:
    """A display that shows its free space as such; its DevEUI."""
    display, space = await street.display()
    await street.wish(space)
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == [GREEN]
    network.items.clear()
    return display


async def test_commands_go_out_in_their_order_one_at_a_time(street: Street):
    network = RecordingNetwork()
    display = await shown(street, network)
    for number in range(20):
        await street.queue(display, bytes([number]), OTHER_PORT)
    async with street.sending(network, senders=3):
        await street.settled()
    assert network.sent_to(display) == [bytes([number]) for number in range(20)]
    assert await street.statuses(display) == ["sent"] * 21


async def test_a_command_on_the_states_port_is_followed_by_the_state(street: Street):
    network = RecordingNetwork()
    display = await shown(street, network)
    await street.queue(display, b"\x05\x01")
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == [b"\x05\x01", GREEN]
    # The command may still be in the network server's queue, which flushing would empty.
    assert [item.flush for item in network.items] == [False, False]


async def test_a_command_on_another_port_is_not(street: Street):
    network = RecordingNetwork()
    display = await shown(street, network)
    await street.queue(display, b"\x05\x01", OTHER_PORT)
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == [b"\x05\x01"]


async def test_the_queue_goes_before_the_state(street: Street):
    network = RecordingNetwork()
    display, space = await street.display()
    await street.wish(space)
    await street.queue(display, b"one", OTHER_PORT)
    await street.queue(display, b"two", OTHER_PORT)
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == [b"one", b"two", GREEN]


async def test_one_that_is_refused_keeps_its_place_and_lets_the_state_go(street: Street):
    network = RecordingNetwork()
    display, space = await street.display()
    await street.wish(space)
    tries: list[bytes] = []

    def refuse_the_first_twice(item: Item) -> None:
        tries.append(item.payload)
        if item.payload == b"one" and tries.count(b"one") <= 2:
            raise EnqueueFailedError("not now")

    network.trouble = refuse_the_first_twice
    await street.queue(display, b"one", OTHER_PORT)
    await street.queue(display, b"two", OTHER_PORT)
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == [GREEN, b"one", b"two"]
    first, *_ = await street.commands(display)
    assert (first["status"], first["attempts"], first["last_error"]) == ("sent", 2, "")


async def test_time_ends_a_command_and_never_a_desired_state(street: Street):
    network = RecordingNetwork()
    display, space = await street.display()
    await street.wish(space)
    over = datetime.now(UTC) - timedelta(seconds=1)
    await street.queue(display, b"too late", OTHER_PORT, expires_at=over)
    await street.queue(display, b"in time", OTHER_PORT)
    await street.sql.execute("UPDATE downlink.displays SET desired_at = $2 WHERE dev_eui = $1", display, over)
    async with street.sending(network, rules(time_to_live=timedelta(0))):
        await eventually(lambda: len(network.items) == 2)
        # The sweep ends what is over; until then nobody sends it.
        await eventually(lambda: street.is_sent(display))
    assert network.sent_to(display) == [b"in time", GREEN]
    assert (await street.statuses(display))[0] == "queued"


async def test_two_equal_commands_are_two(street: Street):
    """A crash lies between: the first was recorded, the second was handed over or not, nobody knows."""
    network = RecordingNetwork()
    display = await shown(street, network)
    await street.queue(display, b"same", OTHER_PORT)
    async with street.sending(network):
        await street.settled()
    second = await street.queue(display, b"same", OTHER_PORT)
    await street.sql.execute("UPDATE downlink.downlinks SET tried_at = now() WHERE id = $1", second)
    async with street.sending(network):
        await street.settled()
    assert network.finds == 1
    assert network.sent_to(display) == [b"same", b"same"]


async def test_what_was_handed_over_before_a_crash_is_found_and_not_sent_again(street: Street):
    network = RecordingNetwork()
    display, space = await street.display()
    await street.wish(space)
    gate = asyncio.Event()

    def take_and_fall_silent(item: Item) -> object:
        network.take(item)
        return gate.wait()

    network.trouble = take_and_fall_silent
    async with street.crashing(network, rules(lease=timedelta(seconds=1))):
        await eventually(lambda: network.sent_to(display) == [GREEN])
    network.trouble = None
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == [GREEN]
    (command,) = await street.commands(display)
    assert (command["status"], command["queue_item_id"]) == ("sent", network.queues[display][0][0])


async def test_a_changed_wish_is_not_taken_for_what_was_handed_over_before_a_crash(street: Street):
    network = RecordingNetwork()
    display, space = await street.display()
    await street.wish(space)
    gate = asyncio.Event()
    network.trouble = lambda item: (network.take(item), gate.wait())[1]
    async with street.crashing(network, rules(lease=timedelta(seconds=1))):
        await eventually(lambda: network.sent_to(display) == [GREEN])
    network.trouble = None
    await street.show(space, "occupied")
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == [GREEN, RED]
    assert [item.payload for _, item in network.queues[display]] == [RED]
    assert await street.statuses(display) == ["superseded", "sent"]


async def test_what_is_wished_back_after_a_crash_is_sent_since_nobody_knows_what_is_shown(street: Street):
    network = RecordingNetwork()
    display, space = await street.display()
    await street.wish(space)
    async with street.sending(network):
        await street.settled()
    gate = asyncio.Event()
    network.trouble = lambda item: (network.take(item), gate.wait())[1]
    await street.show(space, "occupied")
    async with street.crashing(network, rules(lease=timedelta(seconds=1))):
        await eventually(lambda: network.sent_to(display) == [GREEN, RED])
    network.trouble = None
    await street.show(space, "free")
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == [GREEN, RED, GREEN]
