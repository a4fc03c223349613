"""kill -9 at every step of a downlink's way: the display ends right, and gets one identical command more at most."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from parking_simulator.chirpstack import ChirpStackDouble
from parking_simulator.chirpstack.displays import Busylight
from stack.chirpstack import APPLICATION_ID, GATEWAY_ID, StartChirpStack, network_of
from stack.display_street import GREEN, RED, YELLOW, Street
from stack.redelivery import redeliver_after
from stack.service_process import Service
from stack.signposts import LIGHT, Signs
from stack.valve import valve_before
from stack.waiting import eventually

QUICK = {
    "PARKSTREAM_DOWNLINK_LEASE_SECONDS": "1",
    "PARKSTREAM_DISPLAY_SPACING_SECONDS": "0.05",
    "PARKSTREAM_CHIRPSTACK_SYNC_SECONDS": "3600",
}
WAITING_FOR_LOCKS = "SELECT count(*) FROM pg_locks WHERE NOT granted"

Start = Callable[..., Awaitable[Service]]


class Scene:
    """One display on one space, known to a ChirpStack, and whatever dispatcher lives at the moment."""

    def __init__(self, street: Street, double: ChirpStackDouble, dev_eui: str, space_id, start: Start) -> None:
        self.street, self.double, self.dev_eui, self.space_id, self.start = street, double, dev_eui, space_id, start

    async def begin(self, **changes: str) -> Service:
        """A dispatcher that has told the display what it should show, and recorded that."""
        dispatcher = await self.start(**changes)
        await eventually(lambda: self.shown == GREEN, 20)
        await self.street.settled()
        self.double.enqueued.clear()
        return dispatcher

    def sent(self) -> list[bytes]:
        return [one.data for one in self.double.enqueued_for(self.dev_eui)]

    @property
    def shown(self) -> bytes | None:
        return self.double.displays[self.dev_eui].heard[-1].data if self.double.displays[self.dev_eui].heard else None

    def hold_the_air(self) -> None:
        """What is queued stays in the queue, however long a dispatcher takes to die and another to look there."""
        self.double.network.gateways[GATEWAY_ID].state = "offline"

    async def release_the_air(self) -> None:
        """Once a dispatcher has recorded what is queued, it goes out."""
        await eventually(self.is_recorded, 20, message="what is queued was found there and recorded")
        assert [item.data for item in self.double.queue_of(self.dev_eui)] == [RED]
        self.double.network.gateways[GATEWAY_ID].state = "online"

    async def is_recorded(self) -> bool:
        row = await self.street.row(self.dev_eui)
        return row["desired_version"] == row["sent_version"] == 2 and row["claim"] is None

    async def ends_with(self, *sent: bytes) -> None:
        """Everything settles, the display has received the last of these last, and was sent these."""
        await eventually(lambda: self.shown == sent[-1], 20, message="the display was told")
        await self.street.settled()
        assert self.sent() == list(sent)


@pytest.fixture
async def sql(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def other_sql(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def make_scene(sql, nats_account, service_env, run_service, chirpstack: StartChirpStack):
    """`await make_scene()`: a display on a free space, and a dispatcher to be started."""
    bus = await nats_account.connect()
    await redeliver_after(bus, 1, "downlink_dispatcher")

    async def make() -> Scene:
        signs = Signs(sql, bus, application=APPLICATION_ID)
        await signs.settle_in()
        dev_eui = await signs.device(LIGHT)
        double = await chirpstack(network_of((Busylight, dev_eui)))
        chirpstack_env = {"PARKSTREAM_CHIRPSTACK_URL": double.url, "PARKSTREAM_CHIRPSTACK_TOKEN": double.token}

        async def start(**changes: str) -> Service:
            return await run_service("downlink_dispatcher", {**service_env, **chirpstack_env, **QUICK, **changes})

        return Scene(Street(signs, None, bus), double, dev_eui, await signs.space(dev_eui), start)

    return make


async def test_between_the_commit_of_a_wish_and_its_acknowledgement(make_scene, service_env) -> None:
    scene = await make_scene()
    url = service_env["PARKSTREAM_NATS_URL"]
    async with valve_before(int(url.rpartition(":")[2])) as valve:
        first = await scene.begin(PARKSTREAM_NATS_URL=re.sub(r":\d+$", f":{valve.port}", url))
        valve.is_shut = True
        await scene.street.show(scene.space_id, "occupied")
        await eventually(scene.is_recorded)
        first.kill()
    await scene.start()
    await scene.ends_with(RED)


async def test_before_the_commit_of_a_wish(make_scene, other_sql) -> None:
    scene = await make_scene()
    first = await scene.begin()
    async with other_sql.transaction():
        await other_sql.execute("LOCK TABLE downlink.displays IN EXCLUSIVE MODE")
        await scene.street.show(scene.space_id, "occupied")
        await eventually(lambda: other_sql.fetchval(WAITING_FOR_LOCKS))
        first.kill()
    await scene.start()
    await scene.ends_with(RED)


async def test_between_the_claim_and_enqueue(make_scene) -> None:
    scene = await make_scene()
    first, asked = await scene.begin(), asyncio.Event()

    async def never_arrives(_: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    scene.double.before_enqueue = never_arrives
    await scene.street.show(scene.space_id, "occupied")
    await asyncio.wait_for(asked.wait(), 10)
    first.kill()
    scene.double.before_enqueue = None
    await scene.start()
    await scene.ends_with(RED)


@pytest.mark.parametrize("is_queued", [True, False], ids=["still queued", "on air already"])
async def test_between_enqueue_and_its_answer(make_scene, is_queued: bool) -> None:
    """An item that waits at the network server is found there; one that is gone is sent once more."""
    scene = await make_scene()
    first = await scene.begin()
    if is_queued:
        scene.hold_the_air()

    async def kill(_: object) -> None:
        scene.double.after_enqueue = None
        first.kill()

    scene.double.after_enqueue = kill
    await scene.street.show(scene.space_id, "occupied")
    await eventually(lambda: first.process is None or first.process.poll() is not None)
    if not is_queued:
        await eventually(lambda: not scene.double.queue_of(scene.dev_eui))
    await scene.start()
    if is_queued:
        await scene.release_the_air()
    await scene.ends_with(*[RED] if is_queued else [RED, RED])


async def test_between_the_answer_and_its_record(make_scene, other_sql) -> None:
    scene = await make_scene()
    first = await scene.begin()
    scene.hold_the_air()
    transaction, is_held = other_sql.transaction(), asyncio.Event()

    async def hold_the_display(_: object) -> None:
        scene.double.after_enqueue = None
        await transaction.start()
        await other_sql.execute("SELECT FROM downlink.displays WHERE dev_eui = $1 FOR UPDATE", scene.dev_eui)
        is_held.set()

    scene.double.after_enqueue = hold_the_display
    await scene.street.show(scene.space_id, "occupied")
    await asyncio.wait_for(is_held.wait(), 10)
    await eventually(lambda: other_sql.fetchval(WAITING_FOR_LOCKS))
    first.kill()
    await transaction.rollback()
    await scene.start()
    await scene.release_the_air()
    await scene.ends_with(RED)
    *_, command = await scene.street.commands(scene.dev_eui)
    assert (command["status"], command["queue_item_id"]) == ("sent", scene.double.enqueued[0].id)


async def test_a_queue_of_commands_keeps_its_order_and_none_is_lost(make_scene) -> None:
    """Kills at every second Enqueue; what comes twice is what was under way then, right behind itself."""
    scene = await make_scene()
    wanted = [bytes([number, 0, 0, 255, 0]) for number in range(1, 6)]
    dispatcher = await scene.begin()
    dying = asyncio.Event()

    async def kill_every_second(_: object) -> None:
        if len(scene.sent()) % 2 == 0:
            dispatcher.kill()
            dying.set()

    scene.double.after_enqueue = kill_every_second
    for payload in wanted:
        await scene.street.queue(scene.dev_eui, payload)

    def custom() -> list[bytes]:
        return [one for one in scene.sent() if one in wanted]

    while not set(wanted) <= set(custom()) or dying.is_set():
        await eventually(lambda: dying.is_set() or set(wanted) <= set(custom()), 20)
        if dying.is_set():
            dying.clear()
            dispatcher = await scene.start()
    scene.double.after_enqueue = None
    await eventually(lambda: scene.shown == GREEN, 20)  # they were on the state's port: it follows
    await scene.street.settled()
    assert list(dict.fromkeys(custom())) == wanted
    assert all(custom().count(payload) <= 2 for payload in wanted)
    statuses = [row["status"] for row in await scene.street.commands(scene.dev_eui) if row["kind"] == "custom"]
    assert statuses == ["sent"] * len(wanted)


async def test_a_storm_of_kills_ends_with_what_is_desired(make_scene) -> None:
    scene = await make_scene()
    dispatcher = await scene.begin()
    for number in range(4):
        state = ("occupied", "reserved")[number % 2]
        await scene.street.show(scene.space_id, state)
        await eventually(lambda before=number: len(scene.sent()) > before, 20)
        dispatcher.kill()
        dispatcher = await scene.start()
    await eventually(lambda: scene.shown == YELLOW, 20)
    await scene.street.settled()
    assert scene.sent()[-1] == YELLOW
    assert len(scene.sent()) <= 2 * 4
