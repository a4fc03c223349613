"""A network server that queued a downlink and then failed to say so: it is looked for before it is sent again."""

import pytest

from downlink_dispatcher.network.transport import EnqueueFailedError, Item
from stack.display_street import GREEN, RED, RecordingNetwork, Street
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Stammering(RecordingNetwork):
    """Queues what it is handed, and for a red light answers nonsense; what is on air it has no more."""

    is_on_air = False

    async def enqueue(self, item: Item) -> str:
        taken = self.take(item)
        if self.is_on_air:
            self.queues.clear()
        if item.payload == RED:
            raise EnqueueFailedError("not understood", is_at_server=True)
        return taken


async def test_what_was_queued_without_a_word_is_found_and_not_sent_again(street: Street) -> None:
    dev_eui, space = await street.display()
    network = Stammering()
    async with street.sending(network):
        await street.wish(space)
        await street.settled()
        await street.show(space, "occupied")
        await eventually(lambda: street.has_status(dev_eui, "sent"))
        await street.settled()
    assert network.sent_to(dev_eui) == [GREEN, RED]


async def test_a_state_that_came_back_is_sent_if_the_one_between_may_have_gone_out(street: Street) -> None:
    dev_eui, space = await street.display()
    network = Stammering()
    network.is_on_air = True
    async with street.sending(network):
        await street.wish(space)
        await street.settled()
        await street.show(space, "occupied")
        await eventually(lambda: street.has_error(dev_eui))
        await street.show(space, "free")
        await eventually(lambda: street.is_sent(dev_eui))
    assert network.sent_to(dev_eui)[-1] == GREEN


async def test_it_is_sent_too_if_the_one_between_was_given_up_on(street: Street) -> None:
    dev_eui, space = await street.display()
    network = Stammering()
    network.is_on_air = True
    async with street.sending(network):
        await street.wish(space)
        await street.settled()
        await street.show(space, "occupied")
        await eventually(lambda: street.has_status(dev_eui, "failed"))
        await street.show(space, "free")
        await eventually(lambda: street.is_sent(dev_eui))
    assert network.sent_to(dev_eui)[-1] == GREEN
