"""The console's first screen in one answer, from which the live events go on without a gap."""

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from api_gateway.dashboard.models import Dashboard
from parking_contracts import subjects
from stack.waiting import eventually

PATH = "/api/v6/dashboard/data"


@pytest.fixture(scope="module")
def stand(shared_gateway):
    return shared_gateway


@pytest.fixture
async def lot(registry, sql, tenant_id) -> uuid.UUID:
    """A site with spaces in two zones, a device, a change and an alert."""
    site = await registry.site(tenant_id)
    for state in ("free", "occupied", "occupied", "reserved"):
        await registry.space(tenant_id, site, zone="visitors", state=state, latitude=1.0, longitude=2.0)
    space = await registry.space(tenant_id, site, state="unknown", state_layer="silence", code="LAST")
    await registry.device(tenant_id, "70b3d57ed0061a2b")
    now = datetime.now(UTC)
    await sql.execute(
        "INSERT INTO occupancy.state_changes (tenant_id, space_id, version, previous, state, layer, reason, source, "
        "cause, occurred_at, changed_at) VALUES ($1, $2, 2, 'free', 'unknown', 'silence', 'sensor silent', 'clock', "
        "'clock:silent', $3, $3)",
        *(tenant_id, space, now),
    )
    await sql.execute(
        "INSERT INTO occupancy.alerts (tenant_id, source, key, kind, severity, space_id, summary, opened_at) "
        "VALUES ($1, 's', 'k', 'silent', 'critical', $2, 'not heard', $3)",
        *(tenant_id, space, now),
    )
    return site


async def test_one_call_has_everything_the_first_screen_needs(api, lot) -> None:
    answer = await api.get(PATH)
    shown = Dashboard.model_validate(answer.json())
    assert shown.model_dump(mode="json", by_alias=True).keys() == answer.json().keys()
    assert (shown.all.total, shown.all.free, shown.all.occupied, shown.all.unknown) == (5, 1, 2, 1)
    (site,) = shown.sites
    assert (site.id, site.total, site.arrivals_today) == (lot, 5, 0)
    assert {(zone.zone, zone.total, zone.reserved) for zone in site.zones} == {("visitors", 4, 1), (None, 1, 0)}
    assert (len(shown.spaces.items), shown.spaces.is_cut) == (5, False)
    assert [(one.code, one.state) for one in shown.changes] == [("LAST", "unknown")]
    assert shown.alerts is not None
    assert (shown.alerts.open, shown.alerts.critical, shown.alerts.newest[0].kind) == (1, 1, "silent")
    assert shown.devices is not None
    assert (shown.devices.total, shown.devices.unassigned) == (1, 1)
    assert shown.occupancy == []


async def test_arrivals_and_the_last_hours_come_from_the_computed_figures(api, lot, sql, tenant_id) -> None:
    began = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    await sql.execute(
        "INSERT INTO occupancy.zone_days (tenant_id, level, site_id, zone, kind, day, time_zone, starts_at, ends_at, "
        "computed_until, occupied_seconds, watched_seconds, arrivals, departures, dwell_seconds, peak_occupied, "
        "peak_watched, quarter_occupied, quarter_watched, hour_occupied, hour_watched, dwell_buckets, dwell_counts) "
        "VALUES ($1, 'site', $2, '', '', $3, 'UTC', $4, $4, $5, 0, 0, 7, 0, 0, 0, 0, "
        "'{900,900,0,0,450}', '{900,900,900,900,900}', '{}', '{}', '{}', '{}')",
        *(tenant_id, lot, datetime.now(UTC).date(), began, began + timedelta(minutes=75)),
    )
    shown = (await api.get(PATH)).json()
    assert shown["sites"][0]["arrivals_today"] == 7
    assert [(datetime.fromisoformat(one["from"]), one["occupancy_rate"]) for one in shown["occupancy"]] == [
        (began, 0.5),
        (began + timedelta(hours=1), 0.5),
    ]


async def test_a_caller_sees_the_parts_that_his_rights_cover_and_his_tenant_alone(
    api, registry, lot, tenant_id
) -> None:
    narrow = {"X-API-Key": await registry.key(tenant_id, "spaces:read")}
    shown = (await api.get(PATH, headers=narrow)).json()
    assert (shown["alerts"], shown["devices"], shown["all"]["total"]) == (None, None, 5)
    stranger = {"X-API-Key": await registry.key(await registry.tenant("other"), "*")}
    empty = (await api.get(PATH, headers=stranger)).json()
    assert (empty["all"]["total"], empty["sites"], empty["spaces"]["items"], empty["changes"]) == (0, [], [], [])
    assert (empty["alerts"]["open"], empty["devices"]["total"]) == (0, 0)
    nobody = {"X-API-Key": await registry.key(tenant_id, "devices:read")}
    assert (await api.get(PATH, headers=nobody)).status_code == 403


async def test_the_events_go_on_behind_the_answer(api, bus, lot, tenant_id) -> None:
    async def followed() -> bool:
        return (await api.get(PATH)).json()["events_after"] is not None

    await eventually(followed, 10)
    after = (await api.get(PATH)).json()["events_after"]
    event = {"tenant_id": str(tenant_id), "space_id": str(uuid.uuid4()), "site_id": str(lot), "zone": None}
    for name, version in (("alert_opened", {}), ("state_changed", {"version": 3})):
        await bus.jetstream().publish(
            subjects.space(tenant_id, uuid.UUID(event["space_id"]), name),
            json.dumps(event | version).encode(),
            headers={"ce-type": f"parkstream.space.{name}.v1"},
        )
    heard = []
    async with asyncio.timeout(10), api.stream("GET", "/api/v6/events", headers={"Last-Event-ID": after}) as stream:
        async for line in stream.aiter_lines():
            if line.startswith("event: "):
                heard.append(line)
            if len(heard) == 2:
                break
    assert heard == ["event: space.alert_opened", "event: space.state_changed"]
