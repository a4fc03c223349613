"""What becomes of commands, through the database: told once, twice, out of order, and after a crash."""

import asyncio
import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest

from downlink_dispatcher.device_events import read_device_event
from parking_chassis.dead_letters import PoisonError
from parking_contracts import subjects
from stack.display_loop import SECOND, Loop
from stack.display_street import GREEN, RED, RecordingNetwork, Street
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def shown(street: Street, network: RecordingNetwork, state: str = "occupied") -> tuple[str, object]:
    """A display that was sent what it should show."""
    display, space = await street.display()
    async with street.sending(network):
        await street.show(space, state)
        await eventually(lambda: street.commands(display))
        await street.settled()
    return display, space


async def sent_custom(street: Street, network: RecordingNetwork, *, confirmed: bool = False) -> tuple[str, str]:
    """A free-form command (on another port than the state's) that is at the network server; (display, its item)."""
    display, _ = await shown(street, network)
    waiting = await street.queue(display, b"\x04\x0f", f_port=16)
    await street.sql.execute("UPDATE downlink.downlinks SET confirmed = $2 WHERE id = $1", waiting, confirmed)
    async with street.sending(network):
        await street.settled()
    return display, (await street.commands(display))[-1]["queue_item_id"]


async def test_a_state_is_transmitted_and_then_reported(street: Street):
    loop = Loop(street)
    display, _ = await shown(street, RecordingNetwork())
    item = await loop.item(display)
    await loop.tell(loop.txack(display, item))
    (command,) = await street.commands(display)
    assert (command["status"], command["gateway_id"], command["f_cnt_down"]) == ("transmitted", "0016c001f153a14c", 3)
    assert command["ended_at"] is not None
    await loop.tell(loop.report(display, RED))
    (command,) = await street.commands(display)
    assert (command["status"], command["acknowledged_at"] is not None) == ("acknowledged", True)
    assert await loop.steps(command["id"]) == ["queued", "sent", "transmitted", "acknowledged"]
    row = await street.row(display)
    assert (row["is_right"], row["mended"], row["gateway_id"]) == (True, 0, "0016c001f153a14c")


@pytest.mark.parametrize(
    ("acknowledged", "status"), [(True, "acknowledged"), (False, "failed")], ids=["confirmed", "not confirmed"]
)
async def test_a_confirmed_command_ends_by_its_answer(street: Street, acknowledged: bool, status: str):
    loop = Loop(street)
    display, item = await sent_custom(street, RecordingNetwork(), confirmed=True)
    await loop.tell(loop.txack(display, item))
    command = (await street.commands(display))[-1]
    assert (command["status"], command["ended_at"]) == ("transmitted", None)
    await loop.tell(loop.ack(display, item, acknowledged=acknowledged))
    command = (await street.commands(display))[-1]
    assert (command["status"], command["ended_at"] is not None) == (status, True)


@pytest.mark.parametrize(
    ("code", "status"), [("EXPIRED", "expired"), ("DOWNLINK_PAYLOAD_SIZE", "failed"), ("F_CNT_DOWN", "failed")]
)
async def test_what_the_network_server_drops_is_over(street: Street, code: str, status: str):
    loop = Loop(street)
    display, item = await sent_custom(street, RecordingNetwork())
    await loop.tell(loop.log(display, code, item))
    command = (await street.commands(display))[-1]
    assert (command["status"], command["last_error"]) == (status, f"{code}: why")


async def test_what_the_gateway_could_not_send_is_noted_at_what_was_under_way(street: Street):
    loop = Loop(street)
    display, _ = await shown(street, RecordingNetwork())
    await loop.tell(loop.log(display, "DOWNLINK_GATEWAY"), loop.log(display, "DOWNLINK_GATEWAY"))
    (command,) = await street.commands(display)
    assert (command["status"], command["last_error"]) == ("sent", "DOWNLINK_GATEWAY: why")
    assert await loop.steps(command["id"]) == ["queued", "sent", "sent"]


async def test_told_again_and_in_any_order_it_comes_to_the_same(street: Street):
    loop = Loop(street)
    outcomes = []
    for order in itertools.permutations(range(3)):
        display, item = await sent_custom(street, RecordingNetwork(), confirmed=True)
        told = [loop.txack(display, item), loop.ack(display, item), loop.log(display, "DOWNLINK_GATEWAY", item)]
        events = [told[n] for n in order]
        await loop.tell(*events, replicas=2)
        command = (await street.commands(display))[-1]
        steps = await loop.steps(command["id"])
        await loop.tell(*events)
        await loop.tell(*reversed(events))
        after = (await street.commands(display))[-1]
        assert after == command
        assert await loop.steps(command["id"]) == steps
        outcomes.append((command["status"], command["transmitted_at"] is not None, steps.count("acknowledged") >= 1))
    assert set(outcomes) == {("acknowledged", True, True)}


async def test_an_item_of_somebody_else_changes_nothing(street: Street):
    loop = Loop(street)
    display, _ = await shown(street, RecordingNetwork())
    other, _ = await shown(street, RecordingNetwork())
    before = await street.commands(display)
    await loop.tell(loop.txack(display, "foreign"), loop.txack(display, await loop.item(other)))
    await loop.tell(loop.log(display, "EXPIRED", "foreign"), loop.log(display, "UPLINK_CODEC"))
    assert await street.commands(display) == before


async def crashed_after_enqueue(street: Street) -> tuple[str, str]:
    """A display whose sender died with its state in the network server's queue; (display, item)."""
    display, space = await street.display()
    await street.wish(space)
    item = "0c6a3f9e-0000-4000-8000-" + display[4:]
    await street.sql.execute(
        "INSERT INTO downlink.downlinks (tenant_id, dev_eui, kind, version, f_port, payload, expires_at, tried_at) "
        "SELECT tenant_id, dev_eui, 'state', desired_version, desired_f_port, desired_payload, now() + interval '1 h', "
        "now() - interval '1 min' FROM downlink.displays WHERE dev_eui = $1",
        display,
    )
    return display, item


async def test_a_command_that_nobody_recorded_is_found_by_its_transmission(street: Street):
    loop = Loop(street)
    display, item = await crashed_after_enqueue(street)
    await loop.tell(loop.txack(display, item))
    (command,) = await street.commands(display)
    assert (command["status"], command["queue_item_id"]) == ("transmitted", item)
    assert await loop.steps(command["id"]) == ["sent", "transmitted"]
    network = RecordingNetwork()
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == []
    row = await street.row(display)
    assert row["sent_version"] == row["desired_version"] > 0


async def test_a_transmission_told_before_it_was_recorded_is_no_second_command(street: Street):
    loop = Loop(street)
    display, space = await street.display()
    network = RecordingNetwork()

    async def on_air_at_once(item) -> None:
        await loop.tell(loop.txack(display, network.take(item)))

    network.trouble = on_air_at_once
    network.enqueue = lambda item: _taken(network, on_air_at_once, item)  # the answer comes after the transmission
    async with street.sending(network):
        await street.show(space, "occupied")
        await eventually(lambda: street.commands(display))
        await street.settled()
    (command,) = await street.commands(display)
    assert command["status"] == "transmitted"
    assert await loop.steps(command["id"]) == ["queued", "sent", "transmitted"]
    assert network.sent_to(display) == [RED]
    assert command["queue_item_id"] == network.queues[display][0][0]


async def _taken(network: RecordingNetwork, tell, item) -> str:
    await tell(item)
    return network.queues[item.dev_eui][-1][0]


async def test_a_state_that_expired_is_sent_again_to_a_display_that_is_there(street: Street):
    loop, network = Loop(street), RecordingNetwork()
    display, _ = await shown(street, network)
    # Heard after it was sent, and before what was sent was on air.
    await loop.tell(loop.report(display, None), loop.log(display, "EXPIRED", await loop.item(display)))
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == [RED, RED]
    assert await street.statuses(display) == ["expired", "sent"]


async def test_a_state_wished_again_before_another_was_sent_is_not_forgotten_when_it_expires(street: Street):
    loop, network = Loop(street), RecordingNetwork()
    display, space = await shown(street, network)
    item = await loop.item(display)
    for state in ("reserved", "occupied"):
        await street.show(space, state, tell=False)
        await street.wish(space)
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == [RED]
    await loop.tell(loop.report(display, None), loop.log(display, "EXPIRED", item))
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == [RED, RED]


async def test_a_state_that_expired_waits_for_a_display_that_is_not_heard(street: Street):
    loop, network = Loop(street), RecordingNetwork()
    display, _ = await shown(street, network)
    await loop.tell(loop.log(display, "EXPIRED", await loop.item(display)))
    await loop.sweep.sweep()
    assert (await street.row(display))["due_at"] is None
    await loop.tell(loop.report(display, None))
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == [RED, RED]


async def test_a_state_too_large_for_its_data_rate_is_an_alert_and_not_hammered(street: Street):
    loop, network = Loop(street), RecordingNetwork()
    display, _ = await shown(street, network)
    await loop.tell(loop.report(display, None), loop.log(display, "DOWNLINK_PAYLOAD_SIZE", await loop.item(display)))
    (alert,) = await loop.alerts(display)
    assert (alert.kind, alert.is_open, alert.details["reason"]) == (
        *("downlink_failed", True, "DOWNLINK_PAYLOAD_SIZE: why"),
    )
    row = await street.row(display)
    assert row["due_at"] > datetime.now(UTC) + timedelta(minutes=9)
    await street.sql.execute("UPDATE downlink.displays SET due_at = now() WHERE dev_eui = $1", display)
    async with street.sending(network):
        await street.settled()
    assert [one.is_open for one in await loop.alerts(display)] == [True, False]


async def test_a_time_to_live_ends_commands_and_no_desired_state(street: Street):
    loop, network = Loop(street), RecordingNetwork()
    display, _ = await shown(street, network)
    past = datetime.now(UTC) - SECOND
    waiting = await street.queue(display, b"\x05\x01", f_port=16, expires_at=past)
    await street.sql.execute("UPDATE downlink.downlinks SET expires_at = $2 WHERE dev_eui = $1", display, past)
    await loop.tell(loop.report(display, None))
    await loop.sweep.sweep()
    assert await street.statuses(display) == ["expired", "expired"]
    assert (await loop.steps(waiting))[-1] == "expired"
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == [RED, RED]


async def test_a_class_c_display_whose_downlink_nobody_sent_gets_it_again_ever_less_often(street: Street):
    loop, network = Loop(street), RecordingNetwork()
    display, _ = await shown(street, network, "free")
    await street.sql.execute(
        "INSERT INTO downlink.network_devices (dev_eui, application_id, device_class, digest, synced_at, announced_at) "
        "VALUES ($1, $2, 'C', '', now(), now())",
        *(display, street.signs.application),
    )
    for _ in range(3):
        await eventually(lambda: _is_overdue(street, display))
        await loop.sweep.sweep()
        async with street.sending(network):
            await street.settled()
    assert network.sent_to(display)[0] == GREEN
    assert len(network.sent_to(display)) == 4
    assert await street.statuses(display) == ["superseded"] * 3 + ["sent"]
    # After three that did not help, the next one waits eight times as long.
    patient = Loop(street, transmit_seconds=1.0)
    for seconds, is_sent_again in ((5, False), (9, True)):
        past = datetime.now(UTC) - seconds * SECOND
        await street.sql.execute("UPDATE downlink.downlinks SET sent_at = $2 WHERE dev_eui = $1", display, past)
        await patient.sweep.sweep()
        assert ((await street.row(display))["sent_version"] == 0) is is_sent_again


async def _is_overdue(street: Street, display: str) -> bool:
    sent_at = (await street.commands(display))[-1]["sent_at"]
    return bool(datetime.now(UTC) - sent_at > timedelta(milliseconds=50))


async def test_the_sweep_finds_what_no_event_told_of(street: Street):
    loop, network = Loop(street), RecordingNetwork()
    display, space = await shown(street, network)
    newcomer, _ = await street.display(state="reserved")
    await street.show(space, "free", tell=False)
    await loop.sweep.sweep()
    async with street.sending(network):
        await street.settled()
    assert network.sent_to(display) == [RED, GREEN]
    assert len(network.sent_to(newcomer)) == 1


async def test_old_commands_are_let_go_with_their_histories_and_open_ones_kept(street: Street):
    loop, network = Loop(street), RecordingNetwork()
    display, _ = await shown(street, network)
    waiting = await street.queue(display, b"\x05\x01", f_port=16)
    item = (await street.commands(display))[0]["queue_item_id"]
    await loop.tell(loop.txack(display, item))
    await street.sql.execute(
        "UPDATE downlink.downlinks SET created_at = now() - interval '91 days' WHERE dev_eui = $1", display
    )
    await loop.sweep.keep_house()
    (command,) = await street.commands(display)
    assert command["id"] == waiting


async def test_no_open_command_outlives_its_time_whatever_was_told_of_it(street: Street):
    dice = random.Random(11)
    loop, network = Loop(street), RecordingNetwork()
    displays = [(await shown(street, network))[0] for _ in range(6)]
    for display in displays:
        for _ in range(3):
            waiting = await street.queue(display, b"\x04\x0f", f_port=16)
            confirmed = dice.random() < 0.5
            await street.sql.execute("UPDATE downlink.downlinks SET confirmed = $2 WHERE id = $1", waiting, confirmed)
    async with street.sending(network):
        await street.settled()
    items = [(display, row["queue_item_id"]) for display in displays for row in await street.commands(display)]
    makers = (loop.txack, loop.ack, lambda *of: loop.log(of[0], "DOWNLINK_GATEWAY", of[1]))
    await loop.tell(*(dice.choice(makers)(*of) for of in items if dice.random() < 0.7))
    await street.sql.execute(
        "UPDATE downlink.downlinks SET expires_at = now() - interval '1 s' WHERE tenant_id = $1", street.signs.tenant_id
    )
    await asyncio.gather(loop.sweep.sweep(), loop.sweep.sweep())
    rows = [row for display in displays for row in await street.commands(display)]
    assert {row["status"] for row in rows} == {"expired", "transmitted", "acknowledged"}
    assert all(row["ended_at"] is not None for row in rows)
    before = [await loop.steps(row["id"]) for row in rows]
    await loop.sweep.sweep()
    assert [await loop.steps(row["id"]) for row in rows] == before


@pytest.mark.parametrize(("name", "body"), [("txack", b"not json"), ("reported", b"{}"), ("join", b'{"dev_eui": 1}')])
async def test_what_is_no_event_is_poison(name: str, body: bytes):
    with pytest.raises(PoisonError):
        read_device_event(subjects.device(name, "2020200000000001"), body)
