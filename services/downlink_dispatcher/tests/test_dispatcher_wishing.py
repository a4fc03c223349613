"""What displays should show: whose displays they are, where they stand, what counts in a zone, and by which policy."""

from uuid import UUID, uuid4

import pytest

from downlink_dispatcher.store.wishes import displays_concerned
from downlink_dispatcher.wishing import Wishing
from parking_codecs.registry import load_registry
from stack.display_street import GREEN, RED, RecordingNetwork, Street
from stack.signposts import LIGHT, SIGN, Signs
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def desired(street: Street, dev_eui: str) -> str | None:
    return (await street.row(dev_eui))["desired"]


async def is_known(street: Street, dev_eui: str) -> bool:
    return bool(await street.sql.fetch("SELECT FROM downlink.displays WHERE dev_eui = $1", dev_eui))


async def wish_for_tenant(street: Street, **settings: bool) -> int:
    wishing = Wishing(load_registry(), **settings)
    async with street.pool.acquire() as connection, connection.transaction():
        return await wishing.wish_for_tenant(connection, street.signs.tenant_id)


async def test_an_event_that_comes_late_or_twice_wishes_what_holds_now(street: Street):
    display, space = await street.display(state="occupied")
    network = RecordingNetwork()
    async with street.sending(network):
        await street.tell(space, "free", version=1)
        await street.tell(space, "reserved", version=7)
        await street.settled()
    assert network.sent_to(display) == [RED]


async def test_a_device_that_is_not_in_an_application_of_its_tenant_gets_nothing_until_it_is(street: Street):
    dev_eui = await street.signs.device(LIGHT, bound=False)
    space = await street.signs.space(dev_eui)
    await street.wish(space)
    assert not await is_known(street, dev_eui)
    await street.sql.execute(
        "UPDATE occupancy.devices SET application_id = $2 WHERE dev_eui = $1", dev_eui, street.signs.application
    )
    await street.wish(space)
    assert await desired(street, dev_eui) == "free"


async def test_an_application_bound_to_another_tenant_takes_the_wish_back(street: Street):
    display, space = await street.display()
    await street.wish(space)
    stranger = Signs(street.sql, street.bus)
    await stranger.settle_in()
    await street.sql.execute(
        "UPDATE occupancy.applications SET tenant_id = $2 WHERE application_id = $1",
        *(street.signs.application, stranger.tenant_id),
    )
    network = RecordingNetwork()
    async with street.sending(network):
        await street.tell(space, "free")

        async def is_taken_back() -> bool:
            return await desired(street, display) is None

        await eventually(is_taken_back)
    assert network.items == []


@pytest.mark.parametrize("profile", ["Bosch TPS110", "nobody's"])
async def test_a_device_that_is_no_display_gets_nothing(street: Street, profile: str):
    dev_eui = await street.signs.device(profile)
    await street.wish(await street.signs.space(dev_eui))
    assert not await is_known(street, dev_eui)


async def test_a_display_taken_off_its_space_is_sent_nothing_more_and_the_next_one_is(street: Street):
    first, space = await street.display()
    second = await street.signs.device(LIGHT)
    network = RecordingNetwork()
    async with street.sending(network):
        await street.tell(space, "free")
        await street.settled()
        await street.sql.execute(
            "UPDATE occupancy.spaces SET display_eui = $2, version = version + 1 WHERE id = $1", space, second
        )
        await street.show(space, "occupied")
        await street.settled()
    assert (network.sent_to(first), network.sent_to(second)) == ([GREEN], [RED])
    row = await street.row(first)
    assert (row["desired"], row["space_id"], row["due_at"]) == (None, None, None)


async def test_a_deleted_space_asks_for_nothing(street: Street):
    display, space = await street.display()
    await street.wish(space)
    await street.sql.execute("UPDATE occupancy.spaces SET deleted_at = now() WHERE id = $1", space)
    await street.wish(space)
    assert await desired(street, display) is None


async def test_counters_show_how_many_spaces_of_their_zone_or_site_are_free(street: Street):
    zone_sign, site_sign = [await street.signs.device(SIGN) for _ in range(2)]
    site = street.signs.site_id
    await street.signs.put("downlink.zone_counters", dev_eui=zone_sign, site_id=site, zone="A")
    await street.signs.put("downlink.zone_counters", dev_eui=site_sign, site_id=site, zone=None)
    in_zone = [await street.signs.space(zone="A") for _ in range(3)]
    elsewhere = await street.signs.space(zone="B")
    await street.signs.space(state="occupied")
    network = RecordingNetwork()
    async with street.sending(network):
        await street.tell(elsewhere, "free")
        await street.settled()
        assert [await desired(street, one) for one in (zone_sign, site_sign)] == ["3", "4"]
        await street.show(in_zone[0], "reserved")
        await street.settled()
        await street.show(elsewhere, "occupied")
        await street.settled()
    assert network.sent_to(zone_sign) == [b"3", b"2"]
    assert network.sent_to(site_sign) == [b"4", b"3", b"2"]
    assert {command["kind"] for command in await street.commands(site_sign)} == {"counter"}


async def test_a_counter_of_a_zone_without_spaces_shows_none(street: Street):
    sign = await street.signs.device(SIGN)
    await street.signs.put("downlink.zone_counters", dev_eui=sign, site_id=street.signs.site_id, zone="Nowhere")
    assert await wish_for_tenant(street) == 1
    assert await desired(street, sign) == "0"


async def test_a_policy_changes_every_display_of_its_tenant_and_of_no_other(street: Street):
    pairs = await street.displays(3)
    stranger = Signs(street.sql, street.bus)
    await stranger.settle_in()
    foreign = await stranger.device(LIGHT)
    foreign_space = await stranger.space(foreign)
    async with street.pool.acquire() as connection, connection.transaction():
        await Wishing(load_registry()).wish_for_spaces(connection, [(stranger.tenant_id, foreign_space)])
    assert await wish_for_tenant(street) == 3
    await street.signs.put("downlink.display_policies", state="free", colour="112233", off_centiseconds=9)
    assert await wish_for_tenant(street) == 3
    assert await wish_for_tenant(street) == 0
    for display, _ in pairs:
        assert (await street.row(display))["desired_payload"].hex() == "113322ff09"
    theirs = await street.sql.fetchval("SELECT desired_payload FROM downlink.displays WHERE dev_eui = $1", foreign)
    assert theirs == GREEN


async def test_displays_that_can_are_asked_to_answer_if_that_is_set(street: Street):
    (light, _), (sign, _) = await street.display(LIGHT), await street.display(SIGN)
    await wish_for_tenant(street, request_reports=True)
    assert (await street.row(light))["desired_payload"] == GREEN + b"\x01"
    assert (await street.row(sign))["desired_payload"] == b"\x01"


async def test_most_spaces_have_no_display_and_one_question_tells(street: Street):
    spaces: list[UUID] = [await street.signs.space() for _ in range(3)]
    async with street.pool.acquire() as connection:
        keys = [(street.signs.tenant_id, one) for one in (*spaces, uuid4())]
        assert await displays_concerned(connection, keys, [(street.signs.tenant_id, street.signs.site_id)]) == []
