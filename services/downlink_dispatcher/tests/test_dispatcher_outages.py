"""A network server that is away, does not know a device, or refuses: what waits, what counts, what is given up."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from downlink_dispatcher.domain.buckets import Limits
from downlink_dispatcher.network.transport import DeviceDeniedError, EnqueueFailedError, Item, NetworkAwayError
from downlink_dispatcher.sending import BROKEN, outcome_of
from parking_contracts import subjects
from parking_contracts.device_alert import DeviceAlert
from parking_contracts.errors import DeadLetter
from stack.display_street import GREEN, RED, RecordingNetwork, Street, rules
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER_PORT = 99


class Troubled(RecordingNetwork):
    """Raises `error` for every item, as long as there is one; counts the tries."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__(trouble=self._raise)
        self.error = error
        self.tries: list[str] = []

    def _raise(self, item: Item) -> None:
        self.tries.append(item.dev_eui)
        if self.error is not None:
            raise self.error


async def told(street: Street, table_type: str, kind: type) -> list[Any]:
    """What this tenant's outbox holds of one type, in order."""
    rows = await street.sql.fetch("SELECT payload FROM downlink.outbox WHERE type = $1 ORDER BY id", table_type)
    return [msgspec.json.decode(row["payload"], type=kind) for row in rows]


async def alerts(street: Street) -> list[DeviceAlert]:
    every = await told(street, "parkstream.device.alert.v1", DeviceAlert)
    return [alert for alert in every if alert.tenant_id == street.signs.tenant_id]


async def tokens(street: Street) -> float | None:
    return await street.sql.fetchval(
        "SELECT tokens FROM downlink.token_buckets WHERE key = $1", f"tenant:{street.signs.tenant_id}"
    )


async def test_what_waits_for_the_network_server_has_not_failed_and_ends_with_what_is_desired_then(street: Street):
    pairs = await street.displays(10)
    network = Troubled(NetworkAwayError("away", 0.05))
    await street.wish(*(space for _, space in pairs))
    await street.queue(pairs[0][0], b"custom", OTHER_PORT)
    async with street.sending(network, rules(limits=Limits(100, 100))):
        await eventually(lambda: len(network.tries) > 12)
        for _, space in pairs:
            await street.show(space, "occupied")
        await eventually(lambda: len(network.tries) > 20)
        network.error = None
        await street.settled()
    for display, _ in pairs:
        assert network.sent_to(display)[-1] == RED
        assert all(command["attempts"] == 0 for command in await street.commands(display))
    assert network.sent_to(pairs[0][0]) == [b"custom", RED]
    assert len(network.items) == 11
    # Every token but those of what went out came back; some were filled meanwhile.
    assert await tokens(street) >= 100 - 11 - 0.01
    assert await alerts(street) == []


async def test_while_it_is_away_one_at_a_time_asks_whether_it_is_back(street: Street):
    pairs = await street.displays(40)
    await street.wish(*(space for _, space in pairs))
    network = Troubled(NetworkAwayError("away", 30.0))
    async with street.sending(network, at_once=8):
        await eventually(lambda: len(network.tries) == 8)
        for display, _ in pairs:
            await eventually(lambda display=display: street.is_let_go(display))
        await street.wish(pairs[0][1])
    assert len(network.tries) == 8


async def test_a_device_that_the_network_server_does_not_know_waits_alone(street: Street):
    (unknown, one), (known, other) = await street.displays(2)
    await street.wish(one, other)
    network = RecordingNetwork(trouble=denying(unknown))
    async with street.sending(network, rules(limits=Limits(100, 100))):
        await eventually(lambda: street.is_sent(known))
        await eventually(lambda: street.has_error(unknown))
    (command,) = await street.commands(unknown)
    assert (command["status"], command["attempts"], command["last_error"]) == ("queued", 0, "not in this application")
    assert command["tried_at"] is None
    assert await street.seconds_until_due(unknown) > 30
    assert await tokens(street) == pytest.approx(99, abs=0.9)


async def test_many_that_are_denied_at_once_do_not_come_back_at_once():
    pauses = [outcome_of(DeviceDeniedError("not in this application")).pause for _ in range(100)]
    assert all(timedelta(seconds=60) <= pause <= timedelta(seconds=120) for pause in pauses)
    assert max(pauses) - min(pauses) > timedelta(seconds=20)


@pytest.mark.parametrize("error", [ConnectionRefusedError(111, "10.0.0.7:5432"), KeyError("10.0.0.7:5432")])
async def test_a_tenant_reads_nothing_of_the_platforms_inside(error: Exception):
    assert "10.0.0.7" not in outcome_of(error).reason


def denying(dev_eui: str) -> Callable[[Item], None]:
    def deny(item: Item) -> None:
        if item.dev_eui == dev_eui:
            raise DeviceDeniedError("not in this application")

    return deny


async def test_five_refusals_give_a_command_up_with_a_dead_letter_and_an_alert(street: Street):
    display, space = await street.display()
    network = Troubled(EnqueueFailedError("payload too large"))
    await street.wish(space)
    async with street.sending(network):
        await eventually(lambda: street.has_status(display, "failed"))
        assert len(network.tries) == 5
        (command,) = await street.commands(display)
        assert (command["attempts"], command["last_error"]) == (5, "payload too large")
        assert command["ended_at"] is not None
        steps = await street.sql.fetch(
            "SELECT status, detail FROM downlink.downlink_steps WHERE downlink_id = $1 ORDER BY n", command["id"]
        )
        assert [step["status"] for step in steps] == ["queued"] * 5 + ["failed"]
        assert steps[-1]["detail"] == "attempt 5 failed: payload too large"
        # The desired state is not given up: it is tried again later, and at once when it changes.
        assert 500 < await street.seconds_until_due(display) < 601
        network.error = None
        await street.show(space, "occupied")
        await street.settled()
    assert network.sent_to(display) == [RED]
    opened, closed = await alerts(street)
    assert (opened.is_open, opened.kind, opened.dev_eui, opened.space_id) == (True, "downlink_failed", display, space)
    assert (closed.is_open, closed.key) == (False, opened.key)
    letters = await told(street, "parkstream.dead_letter.v1", DeadLetter)
    (letter,) = [one for one in letters if str(command["id"]) in one.address]
    assert (letter.code, letter.detail, letter.attempts) == ("downlink_failed", "payload too large", 5)
    assert msgspec.json.decode(letter.body)["payload"] == GREEN.hex()
    assert subjects.dead_letter(letter.service, letter.code).endswith("downlink_dispatcher.downlink_failed")


async def test_a_command_that_is_given_up_makes_room_for_the_next(street: Street):
    display, space = await street.display()
    await street.wish(space)

    def refuse_bad(item: Item) -> None:
        if item.payload == b"bad":
            raise EnqueueFailedError("never")

    network = RecordingNetwork(trouble=refuse_bad)
    await street.queue(display, b"bad", OTHER_PORT)
    await street.queue(display, b"good", OTHER_PORT)
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == [GREEN, b"good"]
    assert await street.statuses(display) == ["failed", "sent", "sent"]


async def test_a_fault_of_our_own_is_a_failed_attempt_of_that_downlink_alone(street: Street):
    (broken, one), (sound, other) = await street.displays(2)
    await street.wish(one, other)

    def stumble(item: Item) -> None:
        if item.dev_eui == broken:
            raise KeyError("a mistake")

    network = RecordingNetwork(trouble=stumble)
    async with street.sending(network):
        await eventually(lambda: street.has_status(broken, "failed"))
        await eventually(lambda: street.is_sent(sound))
    (command,) = await street.commands(broken)
    assert command["last_error"] == BROKEN


async def test_a_slow_one_holds_up_no_other(street: Street):
    pairs = await street.displays(10)
    slow = pairs[0][0]
    gate = asyncio.Event()
    await street.wish(*(space for _, space in pairs))
    network = RecordingNetwork(trouble=lambda item: gate.wait() if item.dev_eui == slow else None)
    async with street.sending(network):
        for display, _ in pairs[1:]:
            await eventually(lambda display=display: street.is_sent(display))
        assert network.sent_to(slow) == []
        gate.set()
        await street.settled()
    assert network.sent_to(slow) == [GREEN]


async def test_connections_that_break_while_downlinks_are_under_way_lose_nothing(street: Street):
    pairs = await street.displays(5)
    gate = asyncio.Event()
    await street.wish(*(space for _, space in pairs))
    network = RecordingNetwork(trouble=lambda _: gate.wait())
    async with street.sending(network):
        for display, _ in pairs:
            await eventually(lambda display=display: street.is_claimed(display))
        await street.sql.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'downlink_dispatcher' AND datname = current_database()"
        )
        gate.set()
        await street.settled()
        await street.show(pairs[0][1], "occupied")
        await street.settled()
    assert sorted(network.sent_to(pairs[0][0])) == sorted([GREEN, RED])
    for display, _ in pairs[1:]:
        assert network.sent_to(display) == [GREEN]
