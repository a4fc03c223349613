"""Reading sites, spaces, devices and statistics: filters, pages, layers, and never another tenant's rows."""

import json
import uuid

import pytest

from stack.http_client import http_client

EUI = "70b3d57ed0061a2b"


@pytest.fixture(scope="module")
def stand(shared_gateway):
    return shared_gateway


async def test_a_list_of_spaces_is_filtered_counted_and_paged(api, registry, tenant_id, subtests) -> None:
    site, other = await registry.site(tenant_id), await registry.site(tenant_id, "Harbour")
    await registry.space(tenant_id, site, code="A1", building="North", floor="1", zone="visitors", state="occupied")
    await registry.space(tenant_id, site, code="A2", building="North", floor="2", kind="ev")
    await registry.space(tenant_id, other, code="A1", zone="visitors")
    await registry.sql.execute("UPDATE occupancy.spaces SET deleted_at = now() WHERE code = 'A2'")
    asked = {
        "": 2,
        "include_deleted=true": 3,
        f"site={site}": 1,
        f"site={other}": 1,
        f"site={uuid.uuid4()}": 0,
        "building=North": 1,
        "building=North&include_deleted=true": 2,
        "floor=1": 1,
        "zone=visitors": 2,
        "zone=visitors&state=OCCUPIED": 1,
        "kind=ev": 0,
        "kind=ev&include_deleted=1": 1,
    }
    for query, count in asked.items():
        with subtests.test(query):
            answer = (await api.get(f"/api/v6/spaces?{query}")).json()
            assert (answer["total"], len(answer["items"])) == (count, count)
    page = (await api.get("/api/v6/spaces?include_deleted=true&limit=2&offset=2")).json()
    assert (page["total"], len(page["items"]), page["limit"], page["offset"]) == (3, 1, 2, 2)


async def test_one_space_tells_which_layer_decided_and_what_each_says(api, registry, tenant_id) -> None:
    site = await registry.site(tenant_id)
    space_id = await registry.space(
        tenant_id,
        site,
        state="maintenance",
        state_layer="override",
        state_reason="painting",
        override_state="maintenance",
        override_reason="painting",
        sensor_heard=True,
        sensor_occupied=True,
        metadata=json.dumps({"width_m": 2.5}),
    )
    space = (await api.get(f"/api/v6/spaces/{space_id}")).json()
    assert (space["state"], space["state_layer"], space["state_reason"]) == ("maintenance", "override", "painting")
    assert space["metadata"] == {"width_m": 2.5}
    assert [layer["layer"] for layer in space["layers"]] == ["override", "sensor", "reservation"]
    assert space["layers"][0]["state"] == "maintenance"
    assert space["layers"][1]["occupied"] is True
    assert space["layers"][2]["id"] is None
    missing = await api.get(f"/api/v6/spaces/{uuid.uuid4()}")
    assert (missing.status_code, missing.json()["code"]) == (404, "RECORD_NOT_FOUND")


async def test_statistics_add_up_for_every_place_and_kind(api, registry, tenant_id) -> None:
    site, other = await registry.site(tenant_id), await registry.site(tenant_id, "Harbour")
    for state in ("free", "occupied", "occupied", "reserved", "maintenance", "unknown"):
        await registry.space(tenant_id, site, building="North", floor="1", zone="visitors", state=state)
    await registry.space(tenant_id, other, kind="ev")
    now = (await api.get("/api/v6/spaces/stats/occupancy")).json()
    assert (now["all"]["total"], now["all"]["free"], now["all"]["occupied"]) == (7, 2, 2)
    assert now["all"]["occupancy_rate"] == 0.4
    by_site = {one["site_id"]: one for one in now["by_site"]}
    assert (by_site[str(site)]["total"], by_site[str(other)]["total"]) == (6, 1)
    assert {(one["building"], one["total"]) for one in now["by_building"]} == {("North", 6), (None, 1)}
    assert {(one["floor"], one["total"]) for one in now["by_floor"]} == {("1", 6), (None, 1)}
    assert {(one["zone"], one["total"]) for one in now["by_zone"]} == {("visitors", 6), (None, 1)}
    assert {(one["kind"], one["total"]) for one in now["by_kind"]} == {("standard", 6), ("ev", 1)}
    one_site = (await api.get(f"/api/v6/spaces/stats/occupancy?site={other}")).json()
    assert (one_site["all"]["total"], len(one_site["by_site"])) == (1, 1)
    nothing = (await api.get(f"/api/v6/spaces/stats/occupancy?site={uuid.uuid4()}")).json()
    assert (nothing["all"]["total"], nothing["all"]["occupancy_rate"], nothing["by_site"]) == (0, None, [])


async def test_devices_show_their_space(api, registry, tenant_id) -> None:
    site = await registry.site(tenant_id)
    await registry.device(tenant_id, EUI)
    await registry.device(tenant_id, "0" * 16)
    space_id = await registry.space(tenant_id, site, sensor_eui=EUI)
    for spelling in (EUI, EUI.upper(), "70-b3-d5-7e-d0-06-1a-2b"):
        assert (await api.get(f"/api/v6/devices/{spelling}")).json()["space_id"] == str(space_id)
    for query, count in (("", 2), ("assigned=true", 1), ("assigned=false", 1), ("silent=true", 0), ("limit=1", 2)):
        assert (await api.get(f"/api/v6/devices?{query}")).json()["total"] == count


async def test_no_route_shows_another_tenants_rows(gateway, registry, tenant_id, subtests) -> None:
    site = await registry.site(tenant_id)
    space_id = await registry.space(tenant_id, site, latitude=1.0, longitude=2.0, sensor_eui=EUI)
    await registry.device(tenant_id, EUI)
    stranger = await registry.key(await registry.tenant("other"), "*")
    async with http_client(base_url=gateway.url, headers={"X-API-Key": stranger}, timeout=20) as client:
        for path in (f"/api/v6/sites/{site}", f"/api/v6/spaces/{space_id}", f"/api/v6/devices/{EUI}"):
            with subtests.test(path):
                assert (await client.get(path)).status_code == 404
        for path in (
            "/api/v6/sites?include_deleted=true",
            "/api/v6/spaces?include_deleted=true",
            f"/api/v6/spaces?site={site}",
            "/api/v6/spaces?near=1,2",
            "/api/v6/devices",
        ):
            with subtests.test(path):
                answer = (await client.get(path)).json()
                assert (answer["total"], answer["items"]) == (0, [])
        for path in ("/api/v6/spaces/stats/occupancy", f"/api/v6/spaces/stats/occupancy?site={site}"):
            with subtests.test(path):
                assert (await client.get(path)).json()["all"]["total"] == 0
        for path in ("/api/v6/dead-letters", "/api/v6/dead-letters/1"):
            with subtests.test(path):
                assert (await client.get(path)).status_code == 403
