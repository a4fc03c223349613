"""Displays that become somebody else's and come back: what they show by then is not what was sent to them here."""

from uuid import uuid4

import pytest

from stack.display_street import GREEN, RecordingNetwork, Street

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_display_that_was_anothers_in_between_is_told_again_what_to_show(street: Street) -> None:
    dev_eui, space = await street.display()
    network = RecordingNetwork()
    move = "UPDATE occupancy.devices SET application_id = $2 WHERE dev_eui = $1"
    async with street.sending(network):
        await street.wish(space)
        await street.settled()
        await street.sql.execute(move, dev_eui, str(uuid4()))
        await street.wish(space)
        assert (await street.row(dev_eui))["desired"] is None
        await street.sql.execute(move, dev_eui, street.signs.application)
        await street.wish(space)
        await street.settled()
    assert network.sent_to(dev_eui) == [GREEN, GREEN]
