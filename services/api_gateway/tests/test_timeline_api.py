"""A space's timeline: everything that happened in one order, page by page without a gap, and nobody else's."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

EUI, DISPLAY, GATEWAY = "70b3d57ed0061a2b", "2020200000000001", "0016c001f153a14c"
NOW = datetime.now(UTC).replace(microsecond=0)
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def stand(shared_gateway):
    return shared_gateway


@pytest.fixture
async def space_id(registry, tenant_id) -> uuid.UUID:
    await registry.device(tenant_id, EUI)
    return await registry.space(tenant_id, await registry.site(tenant_id), sensor_eui=EUI)


@pytest.fixture
def put(sql, tenant_id):
    """Insert a row of the tenant."""

    async def insert(table: str, **columns: Any) -> None:
        row = {"tenant_id": tenant_id, **columns}
        places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        await sql.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())

    return insert


def uplink(space_id: uuid.UUID, f_cnt: int, at: datetime, **columns: Any) -> dict[str, Any]:
    return {
        "dev_eui": EUI,
        "session_at": NOW - timedelta(days=2),
        "f_cnt": f_cnt,
        "received_at": at,
        "occurred_at": at,
        "space_id": space_id,
        "f_port": 1,
        "payload": b"\x01",
        **columns,
    }


def change(space_id: uuid.UUID, version: int, at: datetime, **columns: Any) -> dict[str, Any]:
    given = {"previous": "free", "state": "occupied", "layer": "sensor", "reason": "sensor sees a vehicle"}
    given |= {"source": "uplink", "cause": f"uplink:{EUI}:{version}", "occurred_at": at, "changed_at": at}
    return {"space_id": space_id, "version": version, **given, **columns}


READINGS, CHANGES = "occupancy.sensor_readings", "occupancy.state_changes"


async def book(put, space_id: uuid.UUID) -> None:
    """A reservation that holds the space, and whose vehicle came."""
    reservation_id = uuid.UUID(int=7)
    await put(
        "reservation.reservations",
        id=reservation_id,
        space_id=space_id,
        starts_at=NOW - 30 * MINUTE,
        ends_at=NOW + 30 * MINUTE,
        email="driver@example.com",
        opened_at=NOW - 40 * MINUTE,
        checked_in_at=NOW - 20 * MINUTE + timedelta(seconds=1),
        checked_in_by="arrival",
        created_by="key:app",
        request_id="book-1",
        created_at=NOW - 90 * MINUTE,
        updated_at=NOW,
    )
    held = {"state": "reserved", "layer": "reservation", "cause": f"reservation:{reservation_id}"}
    await put(CHANGES, **change(space_id, 2, NOW - 40 * MINUTE, **held))


async def park(put, space_id: uuid.UUID) -> None:
    """A vehicle that comes and goes, as its sensor saw it."""
    arrival = NOW - 20 * MINUTE
    await put(READINGS, **uplink(space_id, 3, arrival, occupied=True))
    await put(CHANGES, **change(space_id, 3, arrival, previous="reserved"))
    stay = {"arrived_at": arrival, "departed_at": NOW - MINUTE, "arrived_session": NOW, "arrived_f_cnt": 3}
    await put("occupancy.stays", space_id=space_id, dev_eui=EUI, received_at=arrival, **stay)


async def complain(put, space_id: uuid.UUID) -> None:
    """A frame that nobody could read, and the alert that came of it."""
    await put(READINGS, **uplink(space_id, 4, NOW - 15 * MINUTE, decode_error="no such port"))
    await put(
        "occupancy.alerts",
        source="s",
        key="k",
        kind="decoder_errors",
        severity="warning",
        dev_eui=EUI,
        space_id=space_id,
        summary="3 payloads could not be read",
        opened_at=NOW - 14 * MINUTE,
        closed_at=NOW - 2 * MINUTE,
        acknowledged_at=NOW - 13 * MINUTE,
        acknowledged_by="user:1",
        note="on it",
    )


async def paint(put, space_id: uuid.UUID) -> None:
    """Somebody's request that took the space out of use."""
    at = NOW - 10 * MINUTE
    await put(
        "gateway.audit_log",
        at=at,
        actor="user:1",
        action="PUT /api/v6/spaces/{space_id}/state",
        path=f"/api/v6/spaces/{space_id}/state",
        request_id="paint-1",
        address="127.0.0.1",
    )
    asked = {"source": "command", "cause": "command:user:1", "request_id": "paint-1"}
    asked |= {"previous": "occupied", "state": "maintenance", "layer": "override", "reason": "painting"}
    await put(CHANGES, **change(space_id, 4, at, **asked))


async def show(put, space_id: uuid.UUID) -> uuid.UUID:
    """The space's new state on its way to its display, and a client's own bytes that never arrived."""
    shown, own = uuid.UUID(int=8), uuid.UUID(int=9)
    sent = {"dev_eui": DISPLAY, "space_id": space_id, "f_port": 15, "expires_at": NOW + 60 * MINUTE}
    red = {"command": "colour", "red": 255, "green": 0, "blue": 0}
    await put(
        "downlink.downlinks",
        **sent,
        id=shown,
        kind="state",
        payload=bytes.fromhex("ff0000ff00"),
        command=json.dumps(red),
        cause=f"space:{space_id}:3",
        gateway_id=GATEWAY,
        f_cnt_down=17,
        created_at=NOW - 20 * MINUTE,
    )
    await put("downlink.downlinks", **sent, id=own, kind="custom", payload=b"\x05\x01", created_at=NOW - 19 * MINUTE)
    for downlink_id, minutes, status, detail in (
        (shown, 20, "sent", ""),
        (shown, 19, "transmitted", ""),
        (own, 19, "queued", "by user:1"),
        (shown, 18, "acknowledged", "it reports the same"),
        (own, 3, "expired", ""),
    ):
        at = NOW - minutes * MINUTE
        await put("downlink.downlink_steps", downlink_id=downlink_id, at=at, status=status, detail=detail)
    return shown


@pytest.fixture
async def story(space_id, put) -> uuid.UUID:
    """Booked, held, arrived, overridden with a reason, departed; and an alert in between."""
    for tell in (book, park, complain, paint):
        await tell(put, space_id)
    return space_id


async def test_a_story_is_told_from_its_end_to_its_beginning(api, story) -> None:
    told = (await api.get(f"/api/v6/spaces/{story}/timeline")).json()
    assert told["next_cursor"] is None
    assert [(one["kind"], one["what"]) for one in told["items"]] == [
        ("departure", "the vehicle departed"),
        ("alert", "alert closed: 3 payloads could not be read"),
        ("change", "shown as maintenance instead of occupied"),
        ("command", "user:1 asked: PUT /api/v6/spaces/{space_id}/state"),
        ("alert", "alert acknowledged: 3 payloads could not be read"),
        ("alert", "alert opened: 3 payloads could not be read"),
        ("uplink", "a frame that could not be read"),
        ("reservation", "reservation: checked in"),
        ("change", "shown as occupied instead of reserved"),
        ("arrival", "a vehicle arrived"),
        ("uplink", "the sensor says occupied"),
        ("change", "shown as reserved instead of free"),
        ("reservation", "reservation: its window has begun: the space is held for it"),
        ("reservation", "reservation: booked"),
    ]
    override, asked, arrived = told["items"][2], told["items"][3], told["items"][8]
    assert (override["why"], override["references"]["version"]) == ("painting", 4)
    assert override["references"]["request_id"] == asked["references"]["request_id"] == "paint-1"
    assert override["references"]["caller"] == asked["references"]["caller"] == "user:1"
    assert (arrived["references"]["dev_eui"], arrived["references"]["f_cnt"]) == (EUI, 3)
    assert arrived["why"] == "sensor sees a vehicle"
    assert told["items"][11]["references"]["reservation_id"] == str(uuid.UUID(int=7))
    assert told["items"][6]["why"] == "no such port"
    assert "driver@example.com" not in json.dumps(told)


async def test_what_the_display_was_told_is_part_of_the_story(api, registry, tenant_id, space_id, put) -> None:
    await park(put, space_id)
    shown = await show(put, space_id)
    path = f"/api/v6/spaces/{space_id}/timeline"
    told = (await api.get(path)).json()["items"]
    assert [(one["kind"], one["what"], one["why"]) for one in told] == [
        ("departure", "the vehicle departed", ""),
        ("downlink", "downlink expired: 0501 on port 15", ""),
        ("downlink", "downlink acknowledged: colour FF0000", "it reports the same"),
        ("downlink", "downlink queued: 0501 on port 15", "by user:1"),
        ("downlink", "downlink on air: colour FF0000", f"by gateway {GATEWAY}, as frame 17"),
        ("downlink", "downlink handed to the network server: colour FF0000", ""),
        ("change", "shown as occupied instead of reserved", "sensor sees a vehicle"),
        ("arrival", "a vehicle arrived", ""),
        ("uplink", "the sensor says occupied", ""),
    ]
    on_air = told[4]
    assert (on_air["references"]["downlink_id"], on_air["references"]["dev_eui"]) == (str(shown), DISPLAY)
    assert on_air["details"].items() >= {"gateway_id": GATEWAY, "f_cnt_down": 17, "payload": "ff0000ff00"}.items()
    pages, cursor = [], None
    while not pages or cursor:
        page = (await api.get(path, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        pages, cursor = pages + page["items"], page["next_cursor"]
    assert pages == told
    key = {"X-API-Key": await registry.key(tenant_id, "spaces:read", "devices:read")}
    assert "downlink" not in {one["kind"] for one in (await api.get(path, headers=key)).json()["items"]}
    only = {"X-API-Key": await registry.key(tenant_id, "spaces:read", "downlinks:read")}
    assert (await api.get(path, headers=only)).json()["items"][0]["kind"] == "departure"
    assert len((await api.get(path, headers=only)).json()["items"]) == len(told) - 1


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_pages_together_are_the_whole_whatever_shares_a_moment(api, story, put, limit) -> None:
    for f_cnt in range(10, 14):
        await put(READINGS, **uplink(story, f_cnt, NOW - 20 * MINUTE))
    path = f"/api/v6/spaces/{story}/timeline"
    whole = (await api.get(path)).json()["items"]
    assert len(whole) == 18
    pages, cursor = [], None
    while True:
        page = (await api.get(path, params={"limit": limit} | ({"cursor": cursor} if cursor else {}))).json()
        pages += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["items"]) == limit
    assert pages == whole


async def test_a_timeline_has_bounds_in_time(api, story) -> None:
    bounds = {"from": (NOW - 20 * MINUTE).isoformat(), "to": (NOW - 10 * MINUTE).isoformat()}
    told = (await api.get(f"/api/v6/spaces/{story}/timeline", params=bounds)).json()["items"]
    assert [one["kind"] for one in told] == ["alert", "alert", "uplink", "reservation", "change", "arrival", "uplink"]
    for beyond in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00"):
        refused = await api.get(f"/api/v6/spaces/{story}/timeline", params={"from": beyond})
        assert refused.status_code == 422


async def test_a_caller_is_told_what_he_may_read_by_itself(api, registry, tenant_id, story) -> None:
    path, own = f"/api/v6/spaces/{story}/timeline", {"uplink", "reservation", "alert"}
    everything = [one["kind"] for one in (await api.get(path)).json()["items"]]
    assert own < set(everything)
    for scopes, told in (
        (["spaces:read"], set()),
        (["spaces:read", "reservations:read"], {"reservation"}),
        (["spaces:read", "devices:*", "alerts:read"], {"uplink", "alert"}),
    ):
        key = {"X-API-Key": await registry.key(tenant_id, *scopes)}
        kinds: list[str] = []
        page = (await api.get(path, params={"limit": 2}, headers=key)).json()
        kinds += [one["kind"] for one in page["items"]]
        while page["next_cursor"]:
            page = (await api.get(path, params={"limit": 2, "cursor": page["next_cursor"]}, headers=key)).json()
            kinds += [one["kind"] for one in page["items"]]
        assert kinds == [kind for kind in everything if kind not in own - told]


async def test_nobody_reads_another_tenants_timeline_or_goes_on_with_its_cursor(api, registry, story) -> None:
    path = f"/api/v6/spaces/{story}/timeline"
    stranger = {"X-API-Key": await registry.key(await registry.tenant("other"), "*")}
    assert (await api.get(path, headers=stranger)).status_code == 404
    cursor = (await api.get(path, params={"limit": 1})).json()["next_cursor"]
    assert (await api.get(path, params={"cursor": cursor}, headers=stranger)).status_code == 422
    assert (await api.get(f"/api/v6/spaces/{uuid.uuid4()}/timeline")).status_code == 404
    assert (await api.get(path, params={"cursor": cursor + "x"})).status_code == 422


async def test_a_space_of_which_nothing_is_known_is_an_empty_timeline(api, space_id) -> None:
    assert (await api.get(f"/api/v6/spaces/{space_id}/timeline")).json() == {"items": [], "next_cursor": None}
