"""The loop closed: sensors, ingestor, engine, dispatcher and a ChirpStack whose displays answer, lose and forget."""

import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from parking_codecs.display import Colour
from parking_contracts.downlink_commands import SendDownlink
from parking_simulator.chirpstack import ChirpStackDouble
from parking_simulator.chirpstack.displays import Busylight, HeltecSign
from parkstream.embedded import child
from parkstream.streams import apply_streams
from stack.chirpstack import network_of
from stack.platform import Platform
from stack.servers import fresh_database
from stack.service_process import Service
from stack.signposts import Signs
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIGHTS = [f"2020200000000{n:03x}" for n in range(1, 8)]
SIGN = "70b3d57ed0060001"
RED, GREEN, BLUE = Colour(255, 0, 0), Colour(0, 255, 0), Colour(0, 0, 255)
QUICK = {
    "PARKSTREAM_DISPLAY_SPACING_SECONDS": "0.05",
    "PARKSTREAM_DISPLAY_MEND_SECONDS": "0.2",
    "PARKSTREAM_DISPLAY_MEND_ATTEMPTS": "2",
    "PARKSTREAM_DISPLAY_SWEEP_SECONDS": "1",
    "PARKSTREAM_DISPLAY_TRANSMIT_SECONDS": "2",
    "PARKSTREAM_DOWNLINKS_PER_MINUTE_PER_GATEWAY": "6000",
    "PARKSTREAM_DOWNLINKS_PER_MINUTE_PER_TENANT": "6000",
}
WITHIN_SECONDS = 30.0


@dataclass
class LitStreet:
    """A tenant whose displays a ChirpStack has."""

    town: Platform
    double: ChirpStackDouble

    async def occupied(self, display_eui: str, **space: Any) -> UUID:
        """A space with this display, on which a vehicle stands."""
        sensor = self.town.new_eui()
        space_id = await self.town.space(sensor, display_eui=display_eui, **space)
        await self.town.hear(self.town.uplink(sensor, 1, True))
        return space_id

    async def shows(self, display_eui: str, what: object) -> float:
        """Wait until this is seen on a display; how long that took."""
        began, display = time.monotonic(), self.double.displays[display_eui]
        await eventually(lambda: display.shows == what, WITHIN_SECONDS, message=f"{display_eui} shows {what}")
        return time.monotonic() - began

    async def row(self, display_eui: str) -> asyncpg.Record:
        (row,) = await self.town.rows("SELECT * FROM downlink.displays WHERE dev_eui = $1", display_eui)
        return row

    async def commands(self, display_eui: str) -> list[asyncpg.Record]:
        return list(
            await self.town.rows("SELECT * FROM downlink.downlinks WHERE dev_eui = $1 ORDER BY id", display_eui)
        )

    async def became(self, display_eui: str, status: str, payload: bytes | None = None) -> None:
        async def is_so() -> bool:
            commands = await self.commands(display_eui)
            return bool(commands) and commands[-1]["status"] == status and payload in {None, commands[-1]["payload"]}

        await eventually(is_so, 10, message=f"the last command of {display_eui} is {status}")

    async def is_right(self, display_eui: str) -> None:
        async def says_so() -> bool:
            return bool((await self.row(display_eui))["is_right"])

        await eventually(says_so, 10, message=f"{display_eui} is known to be right")

    async def alerts(self, display_eui: str) -> list[bool]:
        """Of the engine's alerts of a display, whether each is open."""
        rows = await self.town.rows("SELECT * FROM occupancy.alerts WHERE dev_eui = $1 ORDER BY opened_at", display_eui)
        assert {row["kind"] for row in rows} <= {"display_stuck"}
        return [row["closed_at"] is None for row in rows]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lit(postgres_server: Any, migrated_template: str, nats_pool: Any) -> AsyncIterator[LitStreet]:
    account = nats_pool.account()
    await apply_streams(account.url)
    network = network_of(*((Busylight, eui) for eui in LIGHTS), (HeltecSign, SIGN))
    async for url in fresh_database(postgres_server, migrated_template):
        async with AsyncExitStack() as running:
            double = await running.enter_async_context(ChirpStackDouble(network, mqtt=account.mqtt_url))
            environment = {
                "PARKSTREAM_DATABASE_URL": url,
                "PARKSTREAM_NATS_URL": account.url,
                "PARKSTREAM_MQTT_URL": account.mqtt_url,
                "PARKSTREAM_MQTT_PROTOCOL": "3.1.1",
                "PARKSTREAM_CHIRPSTACK_URL": double.url,
                "PARKSTREAM_CHIRPSTACK_TOKEN": double.token,
                "PARKSTREAM_CHIRPSTACK_SYNC_SECONDS": "1",
                **QUICK,
            }
            logs = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="parkstream-loop-")))
            for module in ("uplink_ingestor", "occupancy_engine", "downlink_dispatcher"):
                await running.enter_async_context(_started(Service(module, environment, logs / f"{module}.log")))
            sql = await asyncpg.connect(url)
            running.push_async_callback(sql.close)
            town = Platform(sql, await account.connect())
            await town.settle_in()
            yield LitStreet(town, double)
        await account.close()


class _started:  # noqa: N801  used like a function
    """A service that ends with the block, and shows its log."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __aenter__(self) -> None:
        await self._service.start()

    async def __aexit__(self, *_: object) -> None:
        self._service.stop()
        print(f"--- log of {self._service.module}\n{child.last_lines(self._service.log, 100)}")  # noqa: T201


async def test_a_display_that_was_never_heard_of_is_found_and_shows_its_space(lit: LitStreet):
    await lit.occupied(LIGHTS[0])
    await lit.shows(LIGHTS[0], RED)
    await lit.became(LIGHTS[0], "transmitted")
    lit.double.displays[LIGHTS[0]].report()
    await lit.became(LIGHTS[0], "acknowledged")
    await lit.is_right(LIGHTS[0])


async def mended(lit: LitStreet, display: str, what: Callable[[Any], object], shows: object = RED) -> float:
    """Do something to a display that showed what it should; how long until it does again, for certain."""
    await lit.shows(display, shows)
    await lit.became(display, "transmitted")
    what(lit.double.displays[display])
    return await lit.shows(display, shows)


async def test_a_display_that_reports_the_wrong_colour_is_right_again_within_seconds(lit: LitStreet):
    await lit.occupied(LIGHTS[1])

    def repaint(display: Any) -> None:
        display.tamper(BLUE)
        display.report()

    assert await mended(lit, LIGHTS[1], repaint) < WITHIN_SECONDS
    lit.double.displays[LIGHTS[1]].report()
    await lit.is_right(LIGHTS[1])
    assert (await lit.row(LIGHTS[1]))["mended"] == 0


async def test_a_display_that_joins_again_is_right_again_within_seconds(lit: LitStreet):
    await lit.occupied(LIGHTS[2])
    await lit.occupied(SIGN)
    assert await mended(lit, LIGHTS[2], lambda display: display.rejoin()) < WITHIN_SECONDS
    assert await mended(lit, SIGN, lambda display: display.rejoin(), "OCCUPIED") < WITHIN_SECONDS
    row = await lit.row(LIGHTS[2])
    assert (row["joined_at"] is not None, row["alerted_at"]) == (True, None)


async def test_a_downlink_that_was_lost_on_air_is_made_good_by_the_next_report(lit: LitStreet):
    display = lit.double.displays[LIGHTS[3]]
    display.lose_next(100)
    await lit.occupied(LIGHTS[3])
    await lit.became(LIGHTS[3], "transmitted", bytes.fromhex("ff0000ff00"))
    assert display.shows == GREEN
    display.lose_next(0)
    display.report()
    assert await lit.shows(LIGHTS[3], RED) < WITHIN_SECONDS


async def test_a_display_stuck_against_its_orders_is_an_alert_until_it_is_right(lit: LitStreet):
    display = lit.double.displays[LIGHTS[4]]
    display.lose_next(100)
    await lit.occupied(LIGHTS[4])
    await lit.became(LIGHTS[4], "transmitted")

    async def reports_and_is_an_alert() -> bool:
        display.report()
        return await lit.alerts(LIGHTS[4]) == [True]

    await eventually(reports_and_is_an_alert, 20, interval=0.3, message="the stuck display is an alert")
    sent = len(lit.double.enqueued_for(LIGHTS[4]))
    for _ in range(20):
        display.report()
    await eventually(lit.town.idle)
    assert len(lit.double.enqueued_for(LIGHTS[4])) == sent
    display.tamper(RED)
    display.report()

    async def is_over() -> bool:
        return await lit.alerts(LIGHTS[4]) == [False]

    await eventually(is_over, 10, message="the alert is over")


async def custom(lit: LitStreet, display: str, **body: Any) -> None:
    signs = Signs(lit.town.database, lit.town.bus, tenant_id=lit.town.tenant_id)
    answer = await signs.ask(SendDownlink(dev_eui=display, **body))
    assert isinstance(answer, dict), answer


@pytest.mark.parametrize(("acknowledges", "status"), [(True, "acknowledged"), (False, "failed")])
async def test_a_confirmed_command_ends_as_the_device_answers(lit: LitStreet, acknowledges: bool, status: str):
    display = lit.double.displays[LIGHTS[5]]
    display.acknowledges = acknowledges
    display.report()
    await custom(lit, LIGHTS[5], payload="040f", f_port=15, confirmed=True)
    await lit.became(LIGHTS[5], status)
    steps = await lit.town.rows(
        "SELECT status FROM downlink.downlink_steps WHERE downlink_id = $1 ORDER BY n",
        (await lit.commands(LIGHTS[5]))[-1]["id"],
    )
    assert [step["status"] for step in steps] == ["queued", "sent", "transmitted", status]


async def test_a_gateway_that_is_away_delays_the_state_and_loses_nothing(lit: LitStreet):
    (gateway,) = lit.double.network.gateways.values()
    lit.double.displays[LIGHTS[6]].report()
    gateway.state = "offline"
    try:
        await lit.occupied(LIGHTS[6])

        async def was_sent_again() -> bool:
            reds = [row["status"] for row in await lit.commands(LIGHTS[6]) if row["payload"].hex() == "ff0000ff00"]
            return reds[-2:] == ["superseded", "sent"]

        await eventually(was_sent_again, 15, message="a class C downlink that nobody sent is sent again")
    finally:
        gateway.state = "online"
    await lit.shows(LIGHTS[6], RED)
    await lit.became(LIGHTS[6], "transmitted")
