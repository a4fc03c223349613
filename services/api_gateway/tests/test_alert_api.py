"""Alerts over HTTP: listed by what they are, shown one by one, acknowledged through their owner."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from parking_contracts.errors import ErrorCode, Refusal

EUI = "70b3d57ed0061a2b"
NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def stand(shared_gateway):
    return shared_gateway


@pytest.fixture
async def space_id(registry, tenant_id) -> uuid.UUID:
    await registry.device(tenant_id, EUI)
    return await registry.space(tenant_id, await registry.site(tenant_id), sensor_eui=EUI)


@pytest.fixture
def alert(sql, tenant_id, space_id):
    """Put an alert into the table; answers its id."""

    async def put(kind: str, **columns) -> uuid.UUID:
        row = {"tenant_id": tenant_id, "source": "occupancy_engine", "key": f"{EUI}:{kind}:{uuid.uuid4()}"}
        row |= {"kind": kind, "severity": "warning", "dev_eui": EUI, "space_id": space_id, "summary": kind}
        row |= {"opened_at": NOON, "details": json.dumps({"figure": 1}), **columns}
        places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        return await sql.fetchval(
            f"INSERT INTO occupancy.alerts ({', '.join(row)}) VALUES ({places}) RETURNING id", *row.values()
        )

    return put


async def test_alerts_are_filtered_and_the_newest_comes_first(api, alert, space_id, subtests) -> None:
    await alert("silent", severity="critical", opened_at=NOON + timedelta(hours=1))
    await alert("battery_low", acknowledged_at=NOON, acknowledged_by="key:a")
    await alert("stuck", closed_at=NOON + timedelta(hours=2), opened_at=NOON - timedelta(hours=1))
    everything = (await api.get("/api/v6/alerts")).json()
    assert [(one["kind"], one["state"]) for one in everything["items"]] == [
        ("silent", "open"),
        ("battery_low", "acknowledged"),
        ("stuck", "closed"),
    ]
    assert everything["items"][0]["details"] == {"figure": 1}
    asked = {
        "state=open": 1,
        "state=open&state=acknowledged": 2,
        "state=closed": 1,
        "kind=stuck": 1,
        "severity=critical": 1,
        "device=70-B3-D5-7E-D0-06-1A-2B": 3,
        "device=0000000000000000": 0,
        f"space={space_id}": 3,
        f"space={uuid.uuid4()}": 0,
        "limit=1&offset=2": 3,
    }
    for query, total in asked.items():
        with subtests.test(query):
            assert (await api.get(f"/api/v6/alerts?{query}")).json()["total"] == total
    for query in ("state=shut", "severity=loud", "device=xyz"):
        with subtests.test(query):
            assert (await api.get(f"/api/v6/alerts?{query}")).status_code == 422


async def test_one_alert_is_shown_and_another_tenants_is_not(api, gateway, registry, alert) -> None:
    alert_id = await alert("silent")
    assert (await api.get(f"/api/v6/alerts/{alert_id}")).json()["id"] == str(alert_id)
    stranger = await registry.key(await registry.tenant("other"), "*")
    for path in (f"/api/v6/alerts/{alert_id}", f"/api/v6/alerts/{uuid.uuid4()}"):
        answer = await api.get(path, headers={"X-API-Key": stranger})
        assert (answer.status_code, answer.json()["code"]) == (404, "RECORD_NOT_FOUND")
    assert (await api.get("/api/v6/alerts", headers={"X-API-Key": stranger})).json()["total"] == 0


async def test_an_acknowledgement_goes_to_the_owner_with_note_and_key(api, sql, alert, answer_command) -> None:
    alert_id = await alert("silent")
    received = await answer_command("alert.acknowledge", lambda _command: {"id": str(alert_id)})
    answer = await api.post(
        f"/api/v6/alerts/{alert_id}/acknowledge", json={"note": "seen"}, headers={"Idempotency-Key": "k1"}
    )
    assert (answer.status_code, answer.json()["id"]) == (200, str(alert_id))
    assert received[0]["body"] == {"id": str(alert_id), "note": "seen"}
    caller = f"key:{api.headers['X-API-Key'].split('_')[1]}"
    assert (received[0]["caller"], received[0]["idempotency_key"]) == (caller, "k1")


async def test_an_alert_that_is_not_there_cannot_be_acknowledged(api, answer_command) -> None:
    missing = Refusal(code=ErrorCode.RECORD_NOT_FOUND, message="there is no alert", details={})
    await answer_command("alert.acknowledge", lambda _command: missing)
    answer = await api.post(f"/api/v6/alerts/{uuid.uuid4()}/acknowledge", json={})
    assert (answer.status_code, answer.json()["code"]) == (404, "RECORD_NOT_FOUND")


async def test_reading_and_acknowledging_are_two_rights(api, registry, tenant_id, alert) -> None:
    alert_id = await alert("silent")
    reader = {"X-API-Key": await registry.key(tenant_id, "alerts:read")}
    nobody = {"X-API-Key": await registry.key(tenant_id, "spaces:read")}
    assert (await api.get("/api/v6/alerts", headers=reader)).status_code == 200
    path = f"/api/v6/alerts/{alert_id}/acknowledge"
    assert (await api.post(path, json={}, headers=reader)).status_code == 403
    assert (await api.get("/api/v6/alerts", headers=nobody)).status_code == 403
