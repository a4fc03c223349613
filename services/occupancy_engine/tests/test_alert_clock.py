"""Alerts through real engines: opened, told, acknowledged and closed once, whatever happens to the device."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from parking_contracts import subjects
from parking_contracts.alert_commands import AcknowledgeAlert
from parking_contracts.errors import ErrorCode, Refusal
from parking_contracts.space_commands import DeleteSpace, UpdateSpace
from stack.platform import Platform
from stack.waiting import eventually

QUICK = {
    "PARKSTREAM_ALERT_SWEEP_SECONDS": "0.05",
    "PARKSTREAM_ALERT_MEASURE_SECONDS": "0.05",
    "PARKSTREAM_ALERT_ERRORS_QUIET_HOURS": "0.0001",
}
UNREADABLE = bytes.fromhex("a82d63")


@pytest.fixture
async def town(platform: Platform, run_service, service_env) -> Platform:
    await run_service("occupancy_engine", {**service_env, **QUICK})
    await platform.settle_in()
    return platform


async def alerts(town: Platform, eui: str, **wanted: object):
    rows = await town.rows("SELECT * FROM occupancy.alerts WHERE dev_eui = $1 ORDER BY opened_at, kind", eui)
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


async def open_kinds(town: Platform, eui: str) -> set[str]:
    return {row["kind"] for row in await alerts(town, eui, closed_at=None)}


async def until_open(town: Platform, eui: str, *kinds: str) -> None:
    async def as_wanted() -> bool:
        return await open_kinds(town, eui) == set(kinds)

    await eventually(as_wanted, 10, message=f"open alerts {kinds}")


async def set_device(town: Platform, eui: str, **values: object) -> None:
    names = ", ".join(f"{name} = ${number}" for number, name in enumerate(values, 2))
    await town.database.execute(f"UPDATE occupancy.devices SET {names} WHERE dev_eui = $1", eui, *values.values())


async def test_an_alert_is_opened_once_told_acknowledged_and_closed(town: Platform, run_service, service_env):
    await run_service("occupancy_engine", {**service_env, **QUICK})
    eui = town.new_eui()
    space_id = await town.space(eui, zone="visitors")
    await town.hear(town.uplink(eui, 1, True))
    await set_device(town, eui, battery_percent=12.0)
    await until_open(town, eui, "battery_low")
    (alert,) = await alerts(town, eui)
    assert (alert["severity"], alert["summary"], alert["space_id"]) == ("warning", "battery at 12 %", space_id)

    body = AcknowledgeAlert(id=alert["id"], note="ordered")
    seen = await town.command("alert.acknowledge", body, caller="user:1")
    assert (seen["acknowledged_by"], seen["note"], seen["closed_at"]) == ("user:1", "ordered", None)
    again = await town.command("alert.acknowledge", AcknowledgeAlert(id=alert["id"], note="me too"), caller="user:2")
    assert again == seen

    await set_device(town, eui, battery_percent=24.0)
    await set_device(town, eui, flap_score=8.0, flap_at=datetime.now(UTC))
    await until_open(town, eui, "battery_low", "flapping")
    await set_device(town, eui, battery_percent=90.0, flap_score=0.0)
    await until_open(town, eui)
    assert [row["kind"] for row in await alerts(town, eui)] == ["battery_low", "flapping"]

    told = await town.published(subjects.space(town.tenant_id, space_id, "*"))
    events = [(one.subject.rpartition(".")[2], json.loads(one.data)) for one in told if ".alert_" in one.subject]
    assert [name for name, _ in events if name == "alert_opened"] == ["alert_opened"] * 2
    assert len(events) == 4
    first = events[0][1]
    assert (first["kind"], first["zone"], first["alert_id"]) == ("battery_low", "visitors", str(alert["id"]))
    assert events[-1][1]["closed_at"] is not None


async def test_a_swap_closes_the_old_devices_alerts_and_leaves_the_space_its_history(town: Platform):
    old, new = town.new_eui(), town.new_eui()
    space_id = await town.space(old)
    await town.hear(town.uplink(old, 1, True))
    await set_device(town, old, battery_volts=2.6, silent=True)
    await until_open(town, old, "battery_low", "silent")
    await town.command("space.update", UpdateSpace(id=space_id, sensor_eui=new))
    await until_open(town, old)
    assert {row["space_id"] for row in await alerts(town, old)} == {space_id}
    assert await open_kinds(town, new) == set()
    assert len(await town.stays(space_id)) == 1


async def test_a_device_in_the_pool_and_one_of_a_deleted_space_have_no_alerts(town: Platform):
    pooled, gone, kept = town.new_eui(), town.new_eui(), town.new_eui()
    space_id = await town.space(gone)
    await town.space(kept)
    await town.hear(*(town.uplink(eui, 1, True) for eui in (pooled, gone, kept)))
    for eui in (pooled, gone, kept):
        await set_device(town, eui, silent=True)
    await until_open(town, gone, "silent")
    await until_open(town, kept, "silent")
    await town.command("space.delete", DeleteSpace(id=space_id))
    await until_open(town, gone)
    assert await open_kinds(town, pooled) == set()
    assert await open_kinds(town, kept) == {"silent"}


async def test_unreadable_payloads_in_a_run_are_an_alert_until_they_stop(town: Platform):
    eui = town.new_eui()
    await town.space(eui)
    await town.hear(*(town.uplink(eui, n, True, data=UNREADABLE) for n in range(2)))
    await town.hear(*(town.uplink(eui, n, True, data=UNREADABLE) for n in range(2, 6)))

    async def opened() -> bool:
        return bool(await alerts(town, eui, kind="decoder_errors"))

    await eventually(opened, 10)
    await until_open(town, eui)
    (alert,) = await alerts(town, eui)
    assert json.loads(alert["details"])["codec"] == "bosch_tps110"


async def test_a_battery_that_falls_and_weak_radio_are_measured_from_readings(town: Platform):
    eui = town.new_eui()
    await town.space(eui)
    await town.hear(town.uplink(eui, 1, True))
    now = datetime.now(UTC)
    heard = [(now - timedelta(days=20) + timedelta(hours=12 * n), 80 - n, n) for n in range(40)]
    heard += [(now - timedelta(minutes=n), 40.0, 1000 - 3 * n) for n in range(10)]
    receptions = '[{"gateway_id":"a","rssi":-118,"snr":-15.0},{"gateway_id":"b","rssi":-125,"snr":-19.5}]'
    await town.database.executemany(
        """
        INSERT INTO occupancy.sensor_readings (tenant_id, dev_eui, session_at, f_cnt, received_at, occurred_at, f_port,
            payload, battery_percent, receptions)
        VALUES ($1, $2, $3, $4, $5, $5, 1, '\\x01', $6, $7)
        """,
        [(town.tenant_id, eui, now - timedelta(days=30), f_cnt, at, level, receptions) for at, level, f_cnt in heard],
    )
    await set_device(town, eui, battery_percent=40.0)
    await until_open(town, eui, "battery_falling", "weak_radio")
    (falling,) = await alerts(town, eui, kind="battery_falling")
    assert json.loads(falling["details"])["days_left"] == pytest.approx(20, abs=2)
    (weak,) = await alerts(town, eui, kind="weak_radio")
    assert json.loads(weak["details"])["snr_median_db"] == -15.0
    assert json.loads(weak["details"])["lost_percent"] > 50


async def test_what_was_sent_while_nobody_listened_is_not_lost_on_the_air(town: Platform):
    """As after an outage, or after a backup of long ago was restored: the counter has gone on meanwhile."""
    eui = town.new_eui()
    await town.space(eui)
    await town.hear(town.uplink(eui, 1, True))
    now = datetime.now(UTC)
    heard = [(now - timedelta(hours=20, minutes=n), 100 - n) for n in range(10)]
    heard += [(now - timedelta(minutes=n), 300 - n) for n in range(10)]
    await town.database.executemany(
        """
        INSERT INTO occupancy.sensor_readings (tenant_id, dev_eui, session_at, f_cnt, received_at, occurred_at, f_port,
            payload)
        VALUES ($1, $2, $3, $4, $5, $5, 1, '\\x01')
        """,
        [(town.tenant_id, eui, now - timedelta(days=1), f_cnt, at) for at, f_cnt in heard],
    )
    await town.database.execute(
        """
        INSERT INTO occupancy.source_watermarks (source, heard_until, resumed_at)
        SELECT source, $2, $2 FROM occupancy.devices WHERE dev_eui = $1
        ON CONFLICT (source) DO UPDATE SET resumed_at = excluded.resumed_at
        """,
        eui,
        now - timedelta(hours=1),
    )

    async def measured() -> list[int]:
        rows = await town.rows("SELECT frames_missed FROM occupancy.device_conditions WHERE dev_eui = $1", eui)
        return [row["frames_missed"] for row in rows if row["frames_missed"] is not None]

    await town.database.execute("DELETE FROM occupancy.device_conditions WHERE dev_eui = $1", eui)
    assert await eventually(measured, 10) == [0]


async def test_a_counter_that_leaps_to_its_end_stops_nobodys_alerts(town: Platform):
    leaping, other = town.new_eui(), town.new_eui()
    for eui in (leaping, other):
        await town.space(eui)
    now = datetime.now(UTC)
    await town.database.executemany(
        """
        INSERT INTO occupancy.sensor_readings (tenant_id, dev_eui, session_at, f_cnt, received_at, occurred_at, f_port,
            payload)
        VALUES ($1, $2, $3, $4, $3, $3, 1, '\\x01')
        """,
        [(town.tenant_id, leaping, now, f_cnt) for f_cnt in (1, 2**32 - 1)],
    )
    await set_device(town, leaping, last_seen_at=now)
    await town.hear(*(town.uplink(other, n, True, data=UNREADABLE) for n in range(6)))

    async def told() -> bool:
        rows = await town.rows("SELECT frames_missed FROM occupancy.device_conditions WHERE dev_eui = $1", leaping)
        missed = [row["frames_missed"] for row in rows]
        return missed == [2**31 - 1] and bool(await alerts(town, other, kind="decoder_errors"))

    await eventually(told, 10)


async def test_nobody_acknowledges_what_is_not_there_or_another_tenants(town: Platform):
    eui = town.new_eui()
    await town.space(eui)
    await town.hear(town.uplink(eui, 1, True))
    await set_device(town, eui, silent=True)
    await until_open(town, eui, "silent")
    (alert,) = await alerts(town, eui)
    stranger = Platform(town.database, town.bus)
    await stranger.settle_in(bound=False)
    for tenant, alert_id in ((stranger, alert["id"]), (town, stranger.tenant_id)):
        reply = await tenant.command("alert.acknowledge", AcknowledgeAlert(id=alert_id))
        assert isinstance(reply, Refusal)
        assert reply.code is ErrorCode.RECORD_NOT_FOUND
    assert (await alerts(town, eui))[0]["acknowledged_at"] is None
