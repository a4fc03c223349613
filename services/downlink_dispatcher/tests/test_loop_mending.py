"""Displays that report, join and start anew, through the database: mended soon, never hammered, told when stuck."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from downlink_dispatcher.domain.truth import JOIN_ACCEPT, STUCK_PAUSE
from stack.display_loop import SECOND, Loop
from stack.display_street import GREEN, RED, RecordingNetwork, Street
from stack.signposts import SIGN
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def on_air(street: Street, loop: Loop, network: RecordingNetwork) -> str:
    """A display that was told to be red, and heard it."""
    display, space = await street.display()
    async with street.sending(network):
        await street.show(space, "occupied")
        await eventually(lambda: street.commands(display))
        await street.settled()
    await loop.tell(loop.txack(display, await loop.item(display)))
    return display


async def send(street: Street, loop: Loop, network: RecordingNetwork, display: str) -> None:
    """Send what is due, and let it go on air."""
    async with street.sending(network):
        await street.settled()
    await loop.tell(loop.txack(display, await loop.item(display)))


async def test_a_display_that_reports_the_wrong_colour_is_sent_the_right_one_at_once(street: Street):
    loop, network = Loop(street), RecordingNetwork()
    display = await on_air(street, loop, network)
    async with street.sending(network):
        await loop.tell(loop.report(display, GREEN))
        await eventually(lambda: network.sent_to(display) == [RED, RED], 5)
        await street.settled()
    row = await street.row(display)
    assert (row["is_right"], row["mended"], row["reported"] is not None) == (None, 1, True)
    await loop.tell(loop.txack(display, await loop.item(display)), loop.report(display, RED))
    row = await street.row(display)
    assert (row["is_right"], row["mended"], row["mended_at"]) == (True, 0, None)
    assert await loop.alerts(display) == []


async def test_a_report_older_than_what_was_sent_last_sends_nothing(street: Street):
    loop, network = Loop(street), RecordingNetwork()
    display, space = await street.display()
    async with street.sending(network):
        await street.show(space, "occupied")
        await eventually(lambda: street.commands(display))
        await street.settled()
        # Told while the command is at the network server, and after it was on air about a time before.
        await loop.tell(loop.report(display, GREEN))
        await loop.tell(loop.txack(display, await loop.item(display)))
        await loop.tell(loop.report(display, GREEN, datetime.now(UTC) - 60 * SECOND))
        await street.settled()
    assert network.sent_to(display) == [RED]
    assert (await street.row(display))["is_right"] is None


async def test_a_stuck_display_becomes_an_alert_is_not_hammered_and_the_alert_ends(street: Street):
    loop, network = Loop(street), RecordingNetwork()
    display = await on_air(street, loop, network)
    for _ in range(3):
        await loop.tell(loop.report(display, GREEN))
        await send(street, loop, network, display)
    assert await loop.alerts(display) == []
    for _ in range(10):
        await loop.tell(loop.report(display, GREEN))
    (alert,) = await loop.alerts(display)
    assert (alert.kind, alert.is_open, alert.details["desired"], alert.details["corrections"]) == (
        *("display_stuck", True, "occupied", 3),
    )
    row = await street.row(display)
    assert row["space_id"] == alert.space_id
    assert row["due_at"] - datetime.now(UTC) > STUCK_PAUSE - 60 * SECOND
    assert len(network.sent_to(display)) == 4
    # Somebody went there: it is right, and the correction that waited is not needed.
    await loop.tell(loop.report(display, RED))
    assert [one.is_open for one in await loop.alerts(display)] == [True, False]
    await street.sql.execute("UPDATE downlink.displays SET due_at = now() WHERE dev_eui = $1", display)
    async with street.sending(network):
        await street.settled()
    assert len(network.sent_to(display)) == 4


async def test_the_alert_of_a_display_that_was_taken_off_its_space_ends(street: Street):
    loop, network = Loop(street, attempts=1), RecordingNetwork()
    display = await on_air(street, loop, network)
    await loop.tell(loop.report(display, GREEN))
    await send(street, loop, network, display)
    await loop.tell(loop.report(display, GREEN))
    await street.sql.execute("UPDATE occupancy.spaces SET display_eui = NULL WHERE display_eui = $1", display)
    await loop.sweep.sweep()
    assert [one.is_open for one in await loop.alerts(display)] == [True, False]
    assert (await street.row(display))["alerted_at"] is None


async def test_a_join_sends_again_once_the_device_is_let_in(street: Street):
    loop, network = Loop(street), RecordingNetwork()
    display = await on_air(street, loop, network)
    joined_at = datetime.now(UTC)
    await loop.tell(loop.join(display, joined_at), loop.join(display, joined_at))
    row = await street.row(display)
    assert (row["due_at"], row["sent_version"], row["is_right"]) == (joined_at + JOIN_ACCEPT, 0, None)
    async with street.sending(network):
        await eventually(lambda: network.sent_to(display) == [RED, RED], 15)
        await street.settled()
        await loop.tell(loop.join(display, joined_at))
        await street.settled()
    assert network.sent_to(display) == [RED, RED]


@pytest.mark.parametrize("light", [GREEN, None], ids=["green", "MAC only"])
async def test_the_first_frame_after_a_join_sends_again_at_once_and_blames_nobody(street: Street, light: bytes | None):
    loop, network = Loop(street), RecordingNetwork()
    display = await on_air(street, loop, network)
    await loop.tell(loop.report(display, RED))
    joined = loop.join(display)
    started = loop.report(display, light, session_at=datetime.now(UTC), f_cnt=0)
    async with street.sending(network):
        await loop.tell(joined, started)
        await eventually(lambda: network.sent_to(display) == [RED, RED], 5)
        await street.settled()
    await loop.tell(started, joined)
    row = await street.row(display)
    assert (row["mended"], row["alerted_at"], row["f_cnt"]) == (0, None, 0)
    assert row["sent_version"] == row["desired_version"]


async def test_a_sign_that_says_that_it_has_just_started_is_told_again(street: Street):
    loop, network = Loop(street), RecordingNetwork()
    display, space = await street.display(SIGN)
    async with street.sending(network):
        await street.show(space, "occupied")
        await eventually(lambda: street.commands(display))
        await street.settled()
        await loop.tell(loop.txack(display, await loop.item(display)))
        await loop.tell(loop.report(display, b"", f_port=1, data=b"\xff\xc3", codec="heltec_sign"))
        await eventually(lambda: len(network.sent_to(display)) == 2, 5)
        await street.settled()
    assert network.sent_to(display) == [b"\x02", b"\x02"]


async def test_a_wrong_report_after_a_command_of_a_clients_own_is_no_news(street: Street):
    """On the state's port nobody knows what it shows: the state follows, whatever is reported in between."""
    loop, network = Loop(street), RecordingNetwork()
    display = await on_air(street, loop, network)
    await street.queue(display, GREEN)
    async with street.sending(network):
        await street.settled()
        await loop.tell(loop.report(display, GREEN))
        await street.settled()
    assert network.sent_to(display) == [RED, GREEN, RED]
    assert (await street.row(display))["mended"] == 0


async def test_repeated_and_reordered_reports_by_two_replicas_change_nothing_twice(street: Street):
    dice = random.Random(7)
    loop, network = Loop(street), RecordingNetwork()
    displays = [await on_air(street, loop, network) for _ in range(5)]
    now = datetime.now(UTC)
    told = [loop.report(display, GREEN, now + n * SECOND) for n in range(3) for display in displays]
    told += [loop.join(display, now - timedelta(hours=2)) for display in displays]
    for _ in range(4):
        dice.shuffle(told)
        await loop.tell(*told, *told, replicas=2)
    for display in displays:
        row = await street.row(display)
        assert (row["mended"], row["is_right"], row["sent_version"]) == (1, False, 0)
        assert row["f_cnt"] == max(one.f_cnt for one in told if one.dev_eui == display and hasattr(one, "f_cnt"))


async def test_displays_of_others_hear_nothing_of_it(street: Street):
    loop, network = Loop(street), RecordingNetwork()
    display = await on_air(street, loop, network)
    before = await street.row(display)
    stranger = loop.join(display)
    await loop.tell(type(stranger)(**{**_fields(stranger), "application_id": "somebody else's"}))
    await loop.tell(loop.report(display, GREEN, tenant_id="00000000-0000-0000-0000-00000000beef"))
    assert await street.row(display) == before


def _fields(event) -> dict:
    return {name: getattr(event, name) for name in event.__struct_fields__}
