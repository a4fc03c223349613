"""What ChirpStack lists as facts of the bus, its odd values included; lists page by page; which ways are opened."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from chirpstack_api import api, common
from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import ValidationError

from downlink_dispatcher.network.facts import digest, read_device, read_gateway
from downlink_dispatcher.network.listing import Application
from downlink_dispatcher.network.mqtt_transport import MqttTransport
from downlink_dispatcher.network.opening import open_network
from downlink_dispatcher.network.pages import PAGE, pages
from downlink_dispatcher.network.transport import NetworkAwayError
from downlink_dispatcher.settings import Settings
from parking_chassis.postgres import open_pool
from stack.network_client import item_for

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PARKING = Application("a", "parking", "t")
NAN = float("nan")


def device(**fields: Any) -> Any:
    listed = api.DeviceListItem(**{"dev_eui": "0102030405060708", "name": "bay", **fields})
    return read_device(listed, PARKING, "C", source="chirpstack", now=NOW)


def gateway(**fields: Any) -> Any:
    listed = api.GatewayListItem(**{"gateway_id": "0016C001F153A14C", "name": "roof", **fields})
    return read_gateway(listed, source="chirpstack", now=NOW)


@pytest.mark.parametrize("eui", ["", "zz", "01020304050607", "0102030405060708ff"])
def test_what_names_no_eui_is_left_out(eui: str) -> None:
    assert device(dev_eui=eui) is None
    assert gateway(gateway_id=eui) is None


def test_text_loses_what_a_database_cannot_hold() -> None:
    fact = device(name="b\x00ay", device_profile_name="\x00", tags={"a\x00": "b\x00"})
    assert (fact.device_name, fact.device_profile_name, fact.tags) == ("bay", "", {"a": "b"})


def test_a_year_that_there_is_not_is_never() -> None:
    assert device(last_seen_at=Timestamp(seconds=1 << 60)).last_seen_at is None
    assert device(last_seen_at=Timestamp(seconds=int(NOW.timestamp()))).last_seen_at == NOW
    assert device().last_seen_at is None


@pytest.mark.parametrize("place", [(0.0, 0.0), (91.0, 1.0), (1.0, -181.0), (NAN, 1.0), (1.0, NAN)])
def test_a_place_that_is_none_is_left_out(place: tuple[float, float]) -> None:
    told = gateway(location=common.Location(latitude=place[0], longitude=place[1], altitude=3.0))
    assert (told.latitude, told.longitude, told.altitude) == (None, None, None)


def test_a_gateway_is_told_with_its_place_and_state() -> None:
    told = gateway(location=common.Location(latitude=50.0, longitude=7.0, altitude=NAN), state=api.ONLINE)
    assert (told.gateway_id, told.latitude, told.longitude, told.altitude) == ("0016c001f153a14c", 50.0, 7.0, None)
    assert told.state == "online"
    assert gateway().state == "never_seen"
    assert gateway(state=77).state == "offline"


def test_the_digest_follows_what_is_told_and_whose_it_is() -> None:
    one, tenant = device(), UUID(int=1)
    seen = read_device(
        api.DeviceListItem(dev_eui=one.dev_eui, name="bay", last_seen_at=Timestamp(seconds=1)),
        PARKING,
        "C",
        source="chirpstack",
        now=datetime(2027, 1, 1, tzinfo=UTC),
    )
    assert seen is not None
    assert digest(one, tenant) == digest(seen, tenant)
    assert digest(device(tags={"a": "1", "b": "2"}), tenant) == digest(device(tags={"b": "2", "a": "1"}), tenant)
    different = [digest(one, tenant), digest(one, None), digest(one, UUID(int=2)), digest(device(name="x"), tenant)]
    assert len(set(different)) == 4


async def read_all(total: int, held: int) -> tuple[int, list[tuple[int, int]]]:
    asked = []

    async def ask(limit: int, offset: int) -> Any:
        asked.append((limit, offset))
        here = [api.TenantListItem() for _ in range(offset, min(offset + limit, held))]
        return api.ListTenantsResponse(total_count=total, result=here)

    return sum([len(page) async for page in pages(ask)]), asked


async def test_lists_are_read_page_by_page_to_their_end() -> None:
    assert await read_all(250, 250) == (250, [(PAGE, 0), (PAGE, 100), (PAGE, 200)])
    assert await read_all(200, 200) == (200, [(PAGE, 0), (PAGE, 100)])
    assert await read_all(0, 0) == (0, [(PAGE, 0)])


async def test_a_list_that_shrinks_meanwhile_ends() -> None:
    assert await read_all(250, 120) == (120, [(PAGE, 0), (PAGE, 100), (PAGE, 120)])


@pytest.mark.parametrize(
    "wrong",
    [
        {"chirpstack_url": "chirpstack:8080"},
        {"chirpstack_url": "http://chirpstack:8080/api"},
        {"chirpstack_url": "https://user:password@chirpstack"},
        {"chirpstack_url": "http://chirpstack:port"},
        {"mqtt_url": "http://broker"},
        {"mqtt_topic_prefix": "eu868/#"},
    ],
)
def test_an_address_that_is_none_ends_the_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Settings(database_url="postgresql://nowhere/none", **wrong)


async def test_without_a_network_server_everything_waits_and_that_is_told_when_somebody_does() -> None:
    settings = Settings(database_url="postgresql://127.0.0.1:1/none")
    pool = await open_pool(settings, role="downlink_dispatcher")
    async with open_network(settings, pool) as network:
        assert await network.check() is None
        with pytest.raises(NetworkAwayError, match="PARKSTREAM_CHIRPSTACK_URL") as away:
            await network.transport.enqueue(item_for("0" * 16))
        assert away.value.retry_seconds >= 30
        assert "PARKSTREAM_CHIRPSTACK_URL" in (await network.check() or "")
    await pool.close()


async def test_downlinks_by_mqtt_leave_the_api_to_the_sync() -> None:
    settings = Settings(
        database_url="postgresql://127.0.0.1:1/none",
        downlink_transport="mqtt",
        mqtt_url="mqtt://127.0.0.1:1",
        chirpstack_url="http://127.0.0.1:1",
    )
    pool = await open_pool(settings, role="downlink_dispatcher")
    async with open_network(settings, pool) as network:
        assert isinstance(network.transport, MqttTransport)
        assert network.chirpstack is not None
        assert "mqtt" in (await network.check() or "")
    await pool.close()
