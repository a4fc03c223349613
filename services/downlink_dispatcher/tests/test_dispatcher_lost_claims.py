"""A sender that was held up for longer than its lease: what it hands over then comes after what others sent."""

import asyncio
from datetime import timedelta

import pytest

from downlink_dispatcher.network.transport import Item
from stack.display_street import GREEN, RED, RecordingNetwork, Street, rules
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

BRIEF = rules(lease=timedelta(milliseconds=300))
STATE_PORT, OTHER_PORT = 15, 7
CUSTOM = b"\x01\x02"


class Holding(RecordingNetwork):
    """Holds up the first downlink that it is handed, until it is let go."""

    def __init__(self) -> None:
        super().__init__(self._hold)
        self.is_holding, self.let_go = asyncio.Event(), asyncio.Event()

    def _hold(self, _: Item) -> object:
        if self.is_holding.is_set():
            return None
        self.is_holding.set()
        return self.let_go.wait()


async def test_an_old_state_that_went_out_late_is_followed_by_what_is_desired(street: Street) -> None:
    dev_eui, space = await street.display()
    network = Holding()
    async with street.sending(network, BRIEF, senders=2):
        await street.wish(space)
        await network.is_holding.wait()
        await eventually(lambda: network.sent_to(dev_eui) == [GREEN])
        await street.show(space, "occupied")
        await eventually(lambda: network.sent_to(dev_eui) == [GREEN, RED])
        await street.settled()
        network.let_go.set()
        await eventually(lambda: network.sent_to(dev_eui) == [GREEN, RED, GREEN, RED])
        await street.settled()
    assert network.sent_to(dev_eui) == [GREEN, RED, GREEN, RED]


async def test_the_same_state_that_went_out_late_changes_nothing(street: Street) -> None:
    dev_eui, space = await street.display()
    network = Holding()
    async with street.sending(network, BRIEF, senders=2):
        await street.wish(space)
        await network.is_holding.wait()
        await eventually(lambda: network.sent_to(dev_eui) == [GREEN])
        await street.settled()
        network.let_go.set()
        await eventually(lambda: network.sent_to(dev_eui) == [GREEN, GREEN])
    await street.settled()
    assert network.sent_to(dev_eui) == [GREEN, GREEN]


@pytest.mark.parametrize(("f_port", "is_followed"), [(STATE_PORT, True), (OTHER_PORT, False)])
async def test_a_command_on_the_states_port_that_went_out_late_is_followed_by_the_state(
    street: Street, f_port: int, is_followed: bool
) -> None:
    dev_eui, space = await street.display()
    before, network = RecordingNetwork(), Holding()
    async with street.sending(before):
        await street.wish(space)
        await street.settled()
    async with street.sending(network, BRIEF, senders=2):
        await street.queue(dev_eui, CUSTOM, f_port)
        await network.is_holding.wait()
        follows = [GREEN] if is_followed else []
        await eventually(lambda: network.sent_to(dev_eui) == [CUSTOM, *follows])
        await street.settled()
        network.let_go.set()
        await eventually(lambda: network.sent_to(dev_eui) == [CUSTOM, *follows, CUSTOM, *follows])
    await street.settled()
    assert network.sent_to(dev_eui) == [CUSTOM, *follows, CUSTOM, *follows]
