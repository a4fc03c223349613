"""Displays run over HTTP alone, with the whole platform and a ChirpStack behind: bound, found, coloured, sent to."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from parking_codecs.display import Colour
from parking_simulator.chirpstack import ChirpStackDouble
from parking_simulator.chirpstack.displays import Busylight
from parkstream.embedded import child
from parkstream.streams import apply_streams
from stack.chirpstack import APPLICATION_ID, GATEWAY_ID, network_of
from stack.gateways import KEY
from stack.http_client import http_client
from stack.servers import fresh_database
from stack.service_process import Service
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIGHT = "2020200000000001"
SERVICES = ("api_gateway", "uplink_ingestor", "occupancy_engine", "downlink_dispatcher")
GREEN, CYAN, RED = Colour(0, 255, 0), Colour(0, 255, 255), Colour(255, 0, 0)


@dataclass
class Town:
    """The API of a whole platform, and the ChirpStack behind it."""

    http: httpx.AsyncClient
    double: ChirpStackDouble

    async def ask(self, method: str, path: str, **arguments: Any) -> Any:
        """The answer, which must be a success."""
        answer = await self.http.request(method, f"/api/v6{path}", **arguments)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def until(self, path: str, **expected: Any) -> Any:
        """What is answered once the fields named have these values."""

        async def told() -> Any:
            answer = await self.http.get(f"/api/v6{path}")
            return answer.is_success and expected.items() <= answer.json().items() and answer.json()

        return await eventually(told, 20, message=f"{path} tells {expected}")

    async def shows(self, colour: Colour) -> None:
        """Wait until this is seen on the display."""
        display = self.double.displays[LIGHT]
        await eventually(lambda: display.shows == colour, 20, message=f"the display shows {colour}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(postgres_server: Any, migrated_template: str, nats_pool: Any) -> AsyncIterator[Town]:
    account = nats_pool.account()
    await apply_streams(account.url)
    async for url in fresh_database(postgres_server, migrated_template):
        async with AsyncExitStack() as running:
            network = network_of((Busylight, LIGHT))
            double = await running.enter_async_context(ChirpStackDouble(network, mqtt=account.mqtt_url))
            environment = {
                "PARKSTREAM_DATABASE_URL": url,
                "PARKSTREAM_NATS_URL": account.url,
                "PARKSTREAM_MQTT_URL": account.mqtt_url,
                "PARKSTREAM_MQTT_PROTOCOL": "3.1.1",
                "PARKSTREAM_CHIRPSTACK_URL": double.url,
                "PARKSTREAM_CHIRPSTACK_TOKEN": double.token,
                "PARKSTREAM_CHIRPSTACK_SYNC_SECONDS": "1",
                "PARKSTREAM_DISPLAY_SPACING_SECONDS": "0.05",
                "PARKSTREAM_DISPLAY_SWEEP_SECONDS": "1",
                "PARKSTREAM_BOOTSTRAP_API_KEY": KEY,
            }
            logs = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="parkstream-town-")))
            services = [Service(module, environment, logs / f"{module}.log") for module in SERVICES]
            for service in services:
                service.spawn()
                running.callback(_end, service)
            await asyncio.gather(*(service.wait_ready() for service in services))
            http = await running.enter_async_context(
                http_client(base_url=services[0].url, headers={"X-API-Key": KEY}, timeout=20)
            )
            yield Town(http, double)
        await account.close()


def _end(service: Service) -> None:
    if service.process is not None:
        service.stop()
    print(f"--- log of {service.module}\n{child.last_lines(service.log, 60)}")  # noqa: T201  pytest shows it


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space_id(town: Town) -> str:
    """A space whose display ChirpStack has in a bound application."""
    tenant = (await town.ask("GET", "/tenants"))["items"][0]
    binding = {"source": "chirpstack", "application_id": APPLICATION_ID, "tenant_id": tenant["id"]}
    await town.ask("POST", "/applications", json=binding)
    site = await town.ask("POST", "/sites", json={"name": "Market Square", "time_zone": "UTC"})
    bay = {"site_id": site["id"], "code": "A1", "name": "Bay", "display_eui": LIGHT}
    return str((await town.ask("POST", "/spaces", json=bay))["id"])


async def test_a_display_is_found_at_chirpstack_and_shows_its_space_in_the_tenants_colours(town: Town, space_id: str):
    await town.until(f"/displays/{LIGHT}", space_id=space_id, desired="free", truth="sent")
    await town.shows(GREEN)
    await town.ask("PUT", "/display-policies/free", json={"colour": "00FFFF"})
    await town.shows(CYAN)
    town.double.displays[LIGHT].report()
    told = await town.until(f"/displays/{LIGHT}", truth="confirmed")
    assert (told["reported"]["colour"]["blue"], told["gateway_id"]) == (255, GATEWAY_ID)


async def test_a_clients_own_colour_goes_out_and_the_space_follows_it(town: Town, space_id: str):
    await town.until(f"/displays/{LIGHT}", space_id=space_id, truth="confirmed")
    red = {"command": {"command": "colour", "red": 255, "green": 0, "blue": 0}}
    sent = await town.ask("POST", f"/devices/{LIGHT}/downlinks", json=red)
    told = await town.until(f"/downlinks/{sent['id']}", status="transmitted")
    assert (told["gateway_id"], told["payload"]) == (GATEWAY_ID, "ff0000ff00")
    assert told["f_cnt_down"] is not None
    assert [step["status"] for step in told["history"]] == ["queued", "sent", "transmitted"]
    assert RED in [Colour(*one) for one in _lights(town)]
    await town.shows(CYAN)
    timeline = (await town.ask("GET", f"/spaces/{space_id}/timeline"))["items"]
    on_air = [one for one in timeline if one["what"] == "downlink on air: colour FF0000"]
    assert [one["references"]["downlink_id"] for one in on_air] == [sent["id"]]
    assert GATEWAY_ID in on_air[0]["why"]


def _lights(town: Town) -> list[tuple[int, ...]]:
    """Red, green, blue of everything that was queued for the display, which has them in another order."""
    sent = [one.data for one in town.double.enqueued_for(LIGHT)]
    return [(one[0], one[2], one[1]) for one in sent if len(one) >= 5]


async def test_where_no_gateway_is_online_a_command_is_refused_and_a_state_waits(town: Town, space_id: str):
    await town.until(f"/displays/{LIGHT}", space_id=space_id)
    await town.until(f"/gateways/{GATEWAY_ID}", state="online")
    town.double.network.gateways[GATEWAY_ID].state = "offline"
    await town.until(f"/gateways/{GATEWAY_ID}", state="offline")
    refused = await town.http.post(f"/api/v6/devices/{LIGHT}/downlinks", json={"payload": "0501"})
    assert (refused.status_code, refused.json()["code"]) == (503, "NO_GATEWAY_ONLINE")
    town.double.network.gateways[GATEWAY_ID].state = "online"
    await town.until(f"/gateways/{GATEWAY_ID}", state="online")
    await town.ask("POST", f"/devices/{LIGHT}/downlinks", json={"payload": "0501"})


async def test_a_round_is_asked_for_and_told_of(town: Town, space_id: str):
    await town.until(f"/displays/{LIGHT}", space_id=space_id)
    assert (await town.ask("POST", "/chirpstack/sync"))["requested_at"] is not None
    told = await town.until("/chirpstack/sync", devices=1, gateways=1, error="")
    assert told["ended_at"] is not None
