"""LoRaWAN gateways over HTTP, what goes over each of them, and asking the network server for them."""

from datetime import UTC, datetime, timedelta

import pytest

from stack.signposts import GATEWAY, LIGHT, Signboard

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH, SYNC = "/api/v6/gateways", "/api/v6/chirpstack/sync"
OTHER = "0016c001f153ffff"
NOW = datetime.now(UTC).replace(microsecond=0)


async def test_gateways_are_listed_with_their_state_and_their_packets(board: Signboard):
    await board.signs.gateway(GATEWAY, "online")
    await board.signs.gateway(OTHER, "offline")
    await board.signs.sql.execute(
        "UPDATE downlink.gateways SET name = 'Station', received_24h = 100, sent_24h = 7, latitude = 51.9, "
        "longitude = 4.5, last_seen_at = $2 WHERE tenant_id = $1 AND gateway_id = $3",
        *(board.signs.tenant_id, NOW, OTHER),
    )
    page = await board.get(PATH)
    assert [one["gateway_id"] for one in page["items"]] == [OTHER, GATEWAY]
    station = page["items"][0]
    assert (station["state"], station["received_24h"], station["sent_24h"]) == ("offline", 100, 7)
    assert (station["latitude"], station["longitude"]) == (51.9, 4.5)
    assert datetime.fromisoformat(station["last_seen_at"]) == NOW
    for query, expected in (
        ({"state": "online"}, [GATEWAY]),
        ({"q": "town"}, [GATEWAY]),
        ({"q": "FFFF"}, [OTHER]),
        ({"sort": "-name"}, [GATEWAY, OTHER]),
        ({"limit": 1, "offset": 1}, [GATEWAY]),
    ):
        assert [one["gateway_id"] for one in (await board.get(PATH, **query))["items"]] == expected, query
    assert await board.get(f"{PATH}/{OTHER.upper()}") == station
    assert (await board.http.get(f"{PATH}/{'f' * 16}")).status_code == 404


async def test_statistics_of_a_gateway_count_displays_and_downlinks(board: Signboard):
    await board.signs.gateway()
    for n, status in enumerate(("transmitted", "acknowledged", "failed", "queued")):
        dev_eui = await board.signs.device(LIGHT)
        sent = await board.send(dev_eui, payload="01")
        await board.signs.sql.execute(
            "UPDATE downlink.displays SET gateway_id = $2, desired = 'free', desired_version = 1, sent_version = $3, "
            "is_right = $4 WHERE dev_eui = $1",
            *(dev_eui, GATEWAY, min(n, 1), True if n == 1 else None),
        )
        on_air = NOW if status in {"transmitted", "acknowledged"} else None
        await board.signs.sql.execute(
            "UPDATE downlink.downlinks SET status = $2, gateway_id = $3, sent_at = $4, transmitted_at = $5 "
            "WHERE id::text = $1",
            *(sent["id"], status, GATEWAY, NOW - timedelta(seconds=2), on_air),
        )
    stats = await board.get(f"{PATH}/{GATEWAY}/stats")
    assert stats["displays"] == {"total": 4, "idle": 0, "waiting": 1, "sent": 2, "confirmed": 1, "wrong": 0}
    counted = {name: count for name, count in stats["downlinks_24h"].items() if isinstance(count, int) and count}
    assert counted == {"total": 4, "transmitted": 1, "acknowledged": 1, "failed": 1, "queued": 1}
    assert stats["downlinks_24h"]["median_seconds_to_air"] == 2
    assert datetime.fromisoformat(stats["downlinks_24h"]["last_transmitted_at"]) == NOW
    assert (stats["state"], stats["received_24h"]) == ("online", 0)
    await board.signs.gateway(OTHER)
    empty = await board.get(f"{PATH}/{OTHER}/stats")
    assert (empty["displays"]["total"], empty["downlinks_24h"]["total"]) == (0, 0)
    assert empty["downlinks_24h"]["median_seconds_to_air"] is None
    assert (await board.http.get(f"{PATH}/{'f' * 16}/stats")).status_code == 404


async def test_a_gateway_of_others_does_not_exist(board: Signboard):
    await board.signs.gateway()
    stranger = await board.key("*", tenant_id=(await board.signposts.town()).tenant_id)
    assert (await board.http.get(PATH, headers=stranger)).json()["total"] == 0
    for path in (f"{PATH}/{GATEWAY}", f"{PATH}/{GATEWAY}/stats"):
        assert (await board.http.get(path, headers=stranger)).status_code == 404
        assert (await board.http.get(path, headers=await board.key("devices:*"))).status_code == 403


async def test_the_platforms_admin_asks_for_a_round_and_sees_how_it_went(board: Signboard):
    admin = await board.key("*", admin=True)
    for method in ("GET", "POST"):
        refused = await board.http.request(method, SYNC)
        assert (refused.status_code, refused.json()["details"]["missing"]) == (403, ["platform_admin"])
    before = await board.http.get(SYNC, headers=admin)
    assert before.status_code == 200, before.text
    asked = await board.http.post(SYNC, headers=admin)
    assert asked.status_code == 202, asked.text
    assert datetime.fromisoformat(asked.json()["requested_at"]) > NOW - timedelta(minutes=1)
    again = await board.http.post(SYNC, headers=admin)
    assert again.json()["requested_at"] == asked.json()["requested_at"]
    status = (await board.http.get(SYNC, headers=admin)).json()
    assert status["requested_at"] == asked.json()["requested_at"]
