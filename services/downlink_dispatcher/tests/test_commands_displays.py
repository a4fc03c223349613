"""Commands on displays: counters, policies and their preview, a resync, a round of asking the network server."""

from uuid import uuid4

import pytest

from parking_contracts.downlink_commands import (
    PreviewPolicy,
    RemoveZoneCounter,
    ResetDisplayPolicy,
    ResyncDisplay,
    SetDisplayPolicy,
    SetZoneCounter,
    Shade,
    SyncNetwork,
)
from parking_contracts.errors import ErrorCode, Refusal
from parking_contracts.space import SpaceState
from stack.signposts import LIGHT, RGB, SIGN, Signs

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def row_of(signs: Signs, dev_eui: str):
    return await signs.sql.fetchrow(
        "SELECT * FROM downlink.displays WHERE tenant_id = $1 AND dev_eui = $2", signs.tenant_id, dev_eui
    )


async def test_a_sign_counts_the_free_spaces_of_its_zone_or_of_the_whole_site(signs: Signs):
    dev_eui = await signs.device(SIGN)
    for zone, state in (("north", "free"), ("north", "free"), ("north", "occupied"), ("south", "free"), (None, "free")):
        await signs.space(state=state, zone=zone)
    counting = SetZoneCounter(dev_eui=dev_eui, site_id=signs.site_id, zone="north")
    told = await signs.ask(counting)
    assert (told["desired"], told["counter_zone"], told["truth"]) == ("2", "north", "waiting")
    assert (await row_of(signs, dev_eui))["desired_payload"] == b"2"
    assert (await signs.ask(SetZoneCounter(dev_eui=dev_eui, site_id=signs.site_id)))["desired"] == "4"
    stopped = await signs.ask(RemoveZoneCounter(dev_eui=dev_eui))
    assert (stopped["counter_site_id"], stopped["desired"], stopped["truth"]) == (None, None, "idle")
    assert (await signs.refused(RemoveZoneCounter(dev_eui=dev_eui))).code is ErrorCode.RECORD_NOT_FOUND


async def test_what_cannot_count_is_refused(signs: Signs, signposts):
    light, sign = await signs.device(LIGHT), await signs.device(SIGN)
    other_site = (await signposts.town()).site_id
    for body, code in (
        (SetZoneCounter(dev_eui=light, site_id=signs.site_id), ErrorCode.VALIDATION_ERROR),
        (SetZoneCounter(dev_eui=sign, site_id=other_site), ErrorCode.RECORD_NOT_FOUND),
        (SetZoneCounter(dev_eui=sign, site_id=uuid4()), ErrorCode.RECORD_NOT_FOUND),
        (SetZoneCounter(dev_eui="f" * 16, site_id=signs.site_id), ErrorCode.RECORD_NOT_FOUND),
    ):
        assert (await signs.refused(body)).code is code
    assert await signs.sql.fetchval("SELECT count(*) FROM downlink.zone_counters WHERE dev_eui = $1", sign) == 0


async def test_displays_follow_their_tenants_policy_at_once_and_back(signs: Signs, signposts):
    neighbour = await signposts.town()
    ours, theirs = await signs.device(LIGHT), await neighbour.device(LIGHT)
    await signs.space(ours, "occupied")
    await neighbour.space(theirs, "occupied")
    await neighbour.ask(ResetDisplayPolicy(state=SpaceState.OCCUPIED))
    wanted = SetDisplayPolicy(state=SpaceState.OCCUPIED, colour="ff00ff", on_centiseconds=50, off_centiseconds=50)
    entry = await signs.ask(wanted)
    assert entry == {
        "state": "occupied",
        "colour": "FF00FF",
        "on_centiseconds": 50,
        "off_centiseconds": 50,
        "is_default": False,
    }
    assert (await row_of(signs, ours))["desired_payload"].hex() == "ffff003232"
    assert (await row_of(neighbour, theirs))["desired_payload"].hex() == "ff0000ff00"
    back = await signs.ask(ResetDisplayPolicy(state=SpaceState.OCCUPIED))
    assert (back["colour"], back["is_default"]) == ("FF0000", True)
    assert (await row_of(signs, ours))["desired_payload"].hex() == "ff0000ff00"


async def test_a_preview_has_the_bytes_of_every_family_and_changes_nothing(signs: Signs):
    await signs.ask(SetDisplayPolicy(state=SpaceState.FREE, colour="00FFFF"))
    shades = (Shade(state=SpaceState.OCCUPIED, colour="102030", on_centiseconds=10, off_centiseconds=20),)
    told = await signs.ask(PreviewPolicy(shades=shades))
    shown = {(one["codec"], one["state"]): (one["f_port"], one["payload"]) for one in told}
    assert shown["kuando_busylight", "occupied"] == (15, "1030200a14")
    assert shown["generic_rgb", "occupied"] == (1, "102030")
    assert shown["heltec_sign", "occupied"] == (1, "02")
    assert shown["kuando_busylight", "free"] == (15, "00ffffff00")
    assert shown["kuando_busylight", "reserved"] == (15, "ff00ffff00")
    assert len(shown) % 5 == 0
    count = "SELECT count(*) FROM downlink.display_policies WHERE tenant_id = $1"
    assert await signs.sql.fetchval(count, signs.tenant_id) == 1


async def test_a_resync_makes_what_is_shown_due_again(signs: Signs):
    dev_eui = await signs.device(RGB)
    await signs.space(dev_eui, "free")
    await signs.ask(ResetDisplayPolicy(state=SpaceState.FREE))
    await signs.sql.execute(
        "UPDATE downlink.displays SET sent_version = desired_version, shown_payload = desired_payload, "
        "is_right = true, due_at = NULL WHERE dev_eui = $1",
        dev_eui,
    )
    told = await signs.ask(ResyncDisplay(dev_eui=dev_eui))
    assert (told["desired"], told["truth"]) == ("free", "waiting")
    row = await row_of(signs, dev_eui)
    assert (row["sent_version"], row["shown_payload"], row["due_at"] is not None) == (0, None, True)


async def test_a_round_is_asked_for_by_the_platforms_admin_alone_and_not_again_at_once(signs: Signs):
    refusal = await signs.ask(SyncNetwork())
    assert isinstance(refusal, Refusal)
    assert refusal.code is ErrorCode.AUTHORIZATION_ERROR
    first = await signs.ask(SyncNetwork(), platform_admin=True)
    assert first["requested_at"] is not None
    assert (await signs.ask(SyncNetwork(), platform_admin=True))["requested_at"] == first["requested_at"]
