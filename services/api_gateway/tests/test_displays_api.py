"""Displays over HTTP: what they should show and do show, counters, policies, and the bytes of a policy tried out."""

import uuid

import pytest

from parking_contracts.space import SpaceState
from stack.signposts import GATEWAY, LIGHT, RGB, SIGN, Signboard
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH, POLICIES = "/api/v6/displays", "/api/v6/display-policies"


async def shown(board: Signboard, profile: str, state: str, **columns: object) -> tuple[str, uuid.UUID]:
    """A display on a space that shows this state; its DevEUI and its space."""
    dev_eui = await board.signs.device(profile)
    space_id = await board.signs.space(dev_eui, state, **columns)
    # A policy is a reason to look anew at every display of the tenant.
    assert (await board.http.delete(f"{POLICIES}/{state}")).status_code == 204
    return dev_eui, space_id


async def set_row(board: Signboard, dev_eui: str, assignments: str) -> None:
    await board.signs.sql.execute(f"UPDATE downlink.displays SET {assignments} WHERE dev_eui = $1", dev_eui)


async def test_a_display_tells_what_it_should_show_and_what_is_known(board: Signboard):
    dev_eui, space_id = await shown(board, LIGHT, "occupied")
    told = await board.get(f"{PATH}/{dev_eui.upper()}")
    expected = {
        "codec": "kuando_busylight",
        "space_id": str(space_id),
        "site_id": str(board.signs.site_id),
        "counter_site_id": None,
        "truth": "waiting",
        "desired": "occupied",
        "desired_f_port": 15,
        "desired_payload": "ff0000ff00",
        "desired_cause": f"space:{space_id}:1",
        "sent_at": None,
        "reported": None,
    }
    assert expected.items() <= told.items()
    assert (await board.http.get(f"{PATH}/{'f' * 16}")).status_code == 404
    assert (await board.http.get(f"{PATH}/nonsense")).status_code == 422


async def test_displays_are_listed_by_what_is_known_of_them_and_where_they_are(board: Signboard):
    light, space_id = await shown(board, LIGHT, "free")
    rgb, _ = await shown(board, RGB, "free")
    sign, _ = await shown(board, SIGN, "free")
    sent = "sent_version = desired_version, due_at = NULL"
    await set_row(board, light, f"{sent}, is_right = true, gateway_id = '{GATEWAY}'")
    await set_row(board, rgb, f"{sent}, is_right = false")
    for query, expected in (
        ({}, [light, rgb, sign]),
        ({"sort": "-dev_eui", "limit": 2}, [sign, rgb]),
        ({"truth": "confirmed"}, [light]),
        ({"truth": "wrong"}, [rgb]),
        ({"truth": "waiting"}, [sign]),
        ({"codec": "heltec_sign"}, [sign]),
        ({"space": str(space_id)}, [light]),
        ({"site": str(board.signs.site_id)}, [light, rgb, sign]),
        ({"site": str(uuid.uuid4())}, []),
        ({"gateway": GATEWAY}, [light]),
    ):
        page = await board.get(PATH, **query)
        assert [one["dev_eui"] for one in page["items"]] == expected, query
        assert page["total"] == (3 if "limit" in query else len(expected))


async def test_a_resync_sends_again_what_should_be_shown(board: Signboard):
    dev_eui, _ = await shown(board, LIGHT, "free")
    await set_row(board, dev_eui, "sent_version = desired_version, is_right = true, due_at = NULL")
    assert (await board.get(f"{PATH}/{dev_eui}"))["truth"] == "confirmed"
    answer = await board.http.post(f"{PATH}/{dev_eui}/resync")
    assert (answer.status_code, answer.json()["truth"]) == (200, "waiting")
    assert answer.json()["due_at"] is not None
    assert (await board.http.post(f"{PATH}/{'f' * 16}/resync")).status_code == 404


async def test_a_sign_counts_free_spaces_until_it_is_told_to_stop(board: Signboard):
    sign, light = await board.signs.device(SIGN), await board.signs.device(LIGHT)
    for zone, state in (("P1", "free"), ("P2", "free"), ("P2", "free"), ("P2", "occupied")):
        await board.signs.space(zone=zone, state=state)
    site = {"site_id": str(board.signs.site_id)}
    answer = await board.http.put(f"{PATH}/{sign}/counter", json=site | {"zone": "P2"})
    told = answer.json()
    assert answer.status_code == 200, told
    assert (told["desired"], told["desired_payload"], told["counter_zone"]) == ("2", "32", "P2")
    assert told["counter_site_id"] == told["site_id"] == site["site_id"]
    assert (await board.http.put(f"{PATH}/{sign}/counter", json=site)).json()["desired"] == "3"
    assert [one["dev_eui"] for one in (await board.get(PATH, site=site["site_id"]))["items"]] == [sign]
    assert (await board.http.delete(f"{PATH}/{sign}/counter")).status_code == 204
    assert (await board.get(f"{PATH}/{sign}"))["truth"] == "idle"
    assert (await board.http.delete(f"{PATH}/{sign}/counter")).status_code == 404
    cannot = await board.http.put(f"{PATH}/{light}/counter", json=site)
    assert (cannot.status_code, cannot.json()["details"]["field"]) == (422, "dev_eui")
    nowhere = await board.http.put(f"{PATH}/{sign}/counter", json={"site_id": str(uuid.uuid4())})
    assert nowhere.status_code == 404


async def test_a_policy_names_all_five_states_and_displays_follow_it_at_once(board: Signboard):
    dev_eui, _ = await shown(board, LIGHT, "maintenance")
    listed = (await board.get(POLICIES))["items"]
    assert {one["state"]: one["colour"] for one in listed if one["is_default"]} == {
        "free": "00FF00",
        "occupied": "FF0000",
        "reserved": "FFFF00",
        "maintenance": "FFA500",
        "unknown": "0000FF",
    }
    blinking = {"colour": "ff3200", "on_centiseconds": 50, "off_centiseconds": 50}
    answer = await board.http.put(f"{POLICIES}/maintenance", json=blinking)
    entry = {**blinking, "colour": "FF3200", "state": "maintenance", "is_default": False}
    assert (answer.status_code, answer.json()) == (200, entry)
    assert entry in (await board.get(POLICIES))["items"]
    assert len((await board.get(POLICIES))["items"]) == len(SpaceState)
    assert (await board.get(f"{PATH}/{dev_eui}"))["desired_payload"] == "ff00323232"
    assert (await board.http.delete(f"{POLICIES}/maintenance")).status_code == 204
    assert (await board.get(f"{PATH}/{dev_eui}"))["desired_payload"] == "ff00a5ff00"


@pytest.mark.parametrize(
    "body", [{}, {"colour": "red"}, {"colour": "#FF0000"}, {"colour": "FF0000", "off_centiseconds": 256}]
)
async def test_a_policy_that_is_none_is_refused(board: Signboard, body):
    assert (await board.http.put(f"{POLICIES}/free", json=body)).status_code == 422
    assert (await board.http.put(f"{POLICIES}/full", json={"colour": "FF0000"})).status_code == 422
    assert all(one["is_default"] for one in (await board.get(POLICIES))["items"])


async def test_a_preview_shows_every_familys_bytes_and_sets_nothing(board: Signboard):
    tried = {"shades": [{"state": "occupied", "colour": "102030", "on_centiseconds": 10, "off_centiseconds": 20}]}
    answer = await board.http.post(f"{POLICIES}/preview", json=tried)
    assert answer.status_code == 200, answer.text
    bytes_of = {(one["codec"], one["state"]): one["payload"] for one in answer.json()["items"]}
    assert bytes_of["kuando_busylight", "occupied"] == "1030200a14"
    assert bytes_of["generic_rgb", "occupied"] == "102030"
    assert bytes_of["heltec_sign", "occupied"] == "02"
    assert bytes_of["kuando_busylight", "free"] == "0000ffff00"
    plain = (await board.http.post(f"{POLICIES}/preview", json={})).json()["items"]
    assert {(one["codec"], one["state"]) for one in plain} == bytes_of.keys()
    assert all(one["is_default"] for one in (await board.get(POLICIES))["items"])


async def test_operators_resync_and_only_admins_set_colours_and_counters(board: Signboard):
    dev_eui, _ = await shown(board, SIGN, "free")
    operator, viewer = await board.key("displays:read", "downlinks:*"), await board.key("displays:read")
    counter = {"site_id": str(board.signs.site_id)}
    for method, path, body, statuses in (
        ("GET", PATH, None, (200, 200)),
        ("GET", POLICIES, None, (200, 200)),
        ("POST", f"{POLICIES}/preview", {}, (200, 200)),
        ("POST", f"{PATH}/{dev_eui}/resync", None, (200, 403)),
        ("PUT", f"{POLICIES}/free", {"colour": "00FFFF"}, (403, 403)),
        ("DELETE", f"{POLICIES}/free", None, (403, 403)),
        ("PUT", f"{PATH}/{dev_eui}/counter", counter, (403, 403)),
        ("DELETE", f"{PATH}/{dev_eui}/counter", None, (403, 403)),
    ):
        answers = [await board.http.request(method, path, json=body, headers=who) for who in (operator, viewer)]
        assert tuple(one.status_code for one in answers) == statuses, path


async def test_another_tenants_display_does_not_exist(board: Signboard):
    dev_eui, _ = await shown(board, SIGN, "free")
    other = await board.signposts.town()
    stranger = await board.key("*", tenant_id=other.tenant_id)
    counter = {"site_id": str(other.site_id)}
    for method, path, body in (
        ("GET", f"{PATH}/{dev_eui}", None),
        ("POST", f"{PATH}/{dev_eui}/resync", None),
        ("PUT", f"{PATH}/{dev_eui}/counter", counter),
        ("DELETE", f"{PATH}/{dev_eui}/counter", None),
    ):
        assert (await board.http.request(method, path, json=body, headers=stranger)).status_code == 404
    assert (await board.http.get(PATH, headers=stranger)).json()["total"] == 0
    await board.http.put(f"{POLICIES}/free", json={"colour": "00FFFF"}, headers=stranger)
    assert (await board.get(f"{PATH}/{dev_eui}"))["desired"] == "free"
    assert all(one["is_default"] for one in (await board.get(POLICIES))["items"])


async def test_a_display_that_is_sent_something_of_a_clients_own_is_known_from_then_on(board: Signboard):
    dev_eui = await board.signs.device(RGB)
    assert (await board.http.get(f"{PATH}/{dev_eui}")).status_code == 404
    await board.send(dev_eui, payload="010203")

    async def is_idle() -> bool:
        told = await board.get(f"{PATH}/{dev_eui}")
        return (told["truth"], told["desired"]) == ("idle", None)

    await eventually(is_idle)
