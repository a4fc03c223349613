"""A device's readings page by page, its health, the pool's figures, and taking a device off its space."""

import json
from datetime import UTC, datetime, timedelta

import pytest

EUI = "70b3d57ed0061a2b"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RECEPTIONS = json.dumps([{"gateway_id": "a", "rssi": -80, "snr": 7.5}, {"gateway_id": "b", "rssi": -120, "snr": -9.0}])


@pytest.fixture(scope="module")
def stand(shared_gateway):
    return shared_gateway


@pytest.fixture
async def device(registry, tenant_id) -> str:
    return await registry.device(tenant_id, EUI)


@pytest.fixture
def hear(sql, tenant_id, device):
    """Store readings: (session, fCnt, received) and what else they say."""

    async def put(session_at: datetime, f_cnt: int, received_at: datetime, **columns) -> None:
        row = {"tenant_id": tenant_id, "dev_eui": device, "session_at": session_at, "f_cnt": f_cnt}
        row |= {"received_at": received_at, "occurred_at": received_at, "f_port": 1, "payload": b"\x01\xff"}
        row |= {"receptions": RECEPTIONS, **columns}
        places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        await sql.execute(f"INSERT INTO occupancy.sensor_readings ({', '.join(row)}) VALUES ({places})", *row.values())

    return put


async def test_readings_come_in_the_order_in_which_the_device_spoke(api, hear, device) -> None:
    now = datetime.now(UTC)
    first, second = now - 2 * DAY, now - DAY
    for f_cnt in range(5):
        await hear(first, f_cnt, first + f_cnt * HOUR, occupied=f_cnt % 2 == 0)
    await hear(second, 0, second)
    await hear(first, 5, now, decode_error="cannot", object=json.dumps({"n": 1}))  # late
    path, places, cursor = f"/api/v6/devices/{device}/readings", [], None
    while True:
        page = (await api.get(path, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        assert len(page["items"]) <= 2
        places += [(one["session_at"], one["f_cnt"]) for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [f_cnt for _, f_cnt in places] == [0, 5, 4, 3, 2, 1, 0]
    late = (await api.get(path)).json()["items"][1]
    assert (late["payload"], late["decode_error"], late["object"], late["attributes"]) == (
        "01ff",
        "cannot",
        {"n": 1},
        {},
    )
    assert [one["gateway_id"] for one in late["receptions"]] == ["a", "b"]
    bounds = {"from": (first + HOUR).isoformat(), "to": (first + 3 * HOUR).isoformat()}
    assert [one["f_cnt"] for one in (await api.get(path, params=bounds)).json()["items"]] == [2, 1]
    assert (await api.get(path, params={"cursor": "made-up"})).status_code == 422
    assert (await api.get(path, params={"from": "2026-01-01T00:00:00"})).status_code == 422


async def test_a_device_without_readings_is_empty_and_an_unknown_one_404(api, registry, device) -> None:
    assert (await api.get(f"/api/v6/devices/{device}/readings")).json() == {"items": [], "next_cursor": None}
    stranger = {"X-API-Key": await registry.key(await registry.tenant("other"), "*")}
    for path in (f"/api/v6/devices/{device}/readings", f"/api/v6/devices/{device}/health"):
        assert (await api.get(path, headers=stranger)).status_code == 404
        assert (await api.get(path.replace(device, "0" * 16))).status_code == 404


async def test_health_tells_radio_battery_and_open_alerts(api, sql, hear, tenant_id, device) -> None:
    now = datetime.now(UTC)
    for n in (0, 1, 2, 5):
        await hear(now - 3 * DAY, 100 + n, now - 20 * MINUTE + n * MINUTE)
    await hear(now - 3 * DAY, 90, now - 2 * DAY, decode_error="cannot", receptions="[]")
    await sql.execute(
        "UPDATE occupancy.devices SET battery_percent = 60, last_seen_at = $1, decoder_errors = 1 WHERE dev_eui = $2",
        *(now, device),
    )
    await sql.execute(
        "INSERT INTO occupancy.device_conditions (tenant_id, dev_eui, measured_at, battery_unit, battery_per_day, "
        "battery_days_left) VALUES ($1, $2, now(), 'percent', -0.5, 120)",
        *(tenant_id, device),
    )
    await sql.execute(
        "INSERT INTO occupancy.alerts (tenant_id, source, key, kind, severity, dev_eui, summary, opened_at) "
        "VALUES ($1, 's', 'k', 'stuck', 'warning', $2, 'stuck', now())",
        *(tenant_id, device),
    )
    health = (await api.get(f"/api/v6/devices/{device}/health")).json()
    day, week = health["last_24_hours"], health["last_7_days"]
    assert (day["frames_heard"], day["frames_missed"], day["snr_median"], day["rssi_median"]) == (4, 2, 7.5, -80)
    assert (week["frames_heard"], week["frames_missed"], week["decode_errors"]) == (5, 11, 1)
    assert (health["battery"]["unit"], health["battery"]["per_day"], health["battery"]["days_left"]) == (
        "percent",
        -0.5,
        120,
    )
    assert [one["kind"] for one in health["alerts"]] == ["stuck"]
    assert (health["battery"]["percent"], health["decoder_errors"], health["silent"]) == (60, 1, False)


async def test_the_pool_is_counted_by_profile_with_its_batteries(api, registry, sql, tenant_id) -> None:
    nothing = (await api.get("/api/v6/devices/pool/stats")).json()
    assert (nothing["all"]["total"], nothing["by_profile"], nothing["batteries"]["unknown"]) == (0, [], 0)
    site = await registry.site(tenant_id)
    euis = [f"{n:016x}" for n in range(5)]
    for eui in euis:
        await registry.device(tenant_id, eui)
    await registry.space(tenant_id, site, sensor_eui=euis[0])
    settings = {
        euis[0]: "profile_name = 'A', silent = true, last_seen_at = now(), battery_percent = 10",
        euis[1]: "profile_name = 'A', battery_percent = 90, battery_volts = 3.6, last_seen_at = now()",
        euis[2]: "profile_name = 'B', battery_volts = 3.1, last_seen_at = now(), flap_score = 9, flap_at = now()",
        euis[3]: "external_power = true, battery_percent = 100",
    }
    for eui, assignments in settings.items():
        await sql.execute(f"UPDATE occupancy.devices SET {assignments} WHERE dev_eui = '{eui}'")
    stats = (await api.get("/api/v6/devices/pool/stats")).json()
    assert stats["all"] == {
        "total": 5,
        "assigned": 1,
        "unassigned": 4,
        "silent": 1,
        "never_heard": 2,
        "flapping": 1,
    }
    assert [(one["profile_name"], one["total"]) for one in stats["by_profile"]] == [("", 2), ("A", 2), ("B", 1)]
    batteries = stats["batteries"]
    assert (batteries["percent"]["devices"], batteries["percent"]["below_20"], batteries["percent"]["median"]) == (
        2,
        1,
        50,
    )
    assert batteries["volts"] == {"devices": 1, "median": 3.1, "lowest": 3.1}
    assert (batteries["external_power"], batteries["unknown"]) == (1, 1)


@pytest.mark.parametrize("body", [None, {}, {"request_id": "k1"}])
async def test_a_device_is_taken_off_its_space_with_and_without_a_body(api, device, answer_command, body) -> None:
    received = await answer_command("device.assign", lambda _command: {})
    answer = await api.post(f"/api/v6/devices/{device.upper()}/unassign", **({} if body is None else {"json": body}))
    assert (answer.status_code, answer.json()["dev_eui"]) == (200, device)
    assert received[0]["body"] == {"dev_eui": device, "space_id": None}
    assert received[0]["idempotency_key"] == (body or {}).get("request_id")


async def test_health_survives_a_counter_that_leaps_to_its_end(api, hear, device) -> None:
    now = datetime.now(UTC)
    for f_cnt in (1, 2**32 - 1):
        await hear(now - DAY, f_cnt, now - MINUTE)
    answer = await api.get(f"/api/v6/devices/{device}/health")
    assert answer.status_code == 200
    assert answer.json()["last_24_hours"]["frames_missed"] == 2**31 - 1
