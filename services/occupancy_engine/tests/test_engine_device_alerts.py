"""Alerts that another service finds, through the real engine: opened, told and closed once, as that service says."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from occupancy_engine import SERVICE
from occupancy_engine.alerts import AlertClock
from occupancy_engine.decoders import Decoders
from occupancy_engine.settings import EngineSettings
from parking_chassis.postgres import open_pool
from parking_codecs.registry import load_registry
from parking_contracts import subjects
from parking_contracts.device_alert import DeviceAlert
from stack.consumers import caught_up
from stack.platform import City, Platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEGAN = datetime.now(UTC).replace(microsecond=0)


def alert(town: Platform, eui: str, *, is_open: bool = True, minutes: float = 0, space_id: UUID | None = None):
    return DeviceAlert(
        tenant_id=town.tenant_id,
        source="downlink_dispatcher",
        key=f"{eui}:display_stuck",
        kind="display_stuck",
        is_open=is_open,
        at=BEGAN + timedelta(minutes=minutes),
        dev_eui=eui,
        space_id=space_id,
        summary="shows green instead of red",
        details={"mended": 5},
    )


async def tell(town: Platform, *alerts: DeviceAlert) -> None:
    jetstream = town.bus.jetstream()
    for one in alerts:
        await jetstream.publish(subjects.device("alert", one.dev_eui), msgspec.json.encode(one))
    await caught_up(town.bus, "DEVICES", "occupancy_engine")


async def stored(town: Platform, eui: str) -> list[tuple[datetime, datetime | None]]:
    rows = await town.rows("SELECT * FROM occupancy.alerts WHERE dev_eui = $1 ORDER BY opened_at", eui)
    return [(row["opened_at"], row["closed_at"]) for row in rows]


async def test_an_alert_is_opened_once_closed_once_and_told_of_its_space(town: Platform):
    display = town.new_eui()
    space_id = await town.space(display_eui=display, zone="visitors")
    opened, closed = alert(town, display, space_id=space_id), alert(town, display, is_open=False, minutes=9)
    await tell(town, opened, opened, alert(town, display, minutes=3, space_id=space_id))
    (row,) = await town.rows("SELECT * FROM occupancy.alerts WHERE dev_eui = $1", display)
    assert (row["kind"], row["source"], row["severity"], row["space_id"], row["closed_at"]) == (
        *("display_stuck", "downlink_dispatcher", "warning", space_id, None),
    )
    assert (row["summary"], json.loads(row["details"])) == ("shows green instead of red", {"mended": 5})
    await tell(town, closed, closed)
    # Delivered again, from the beginning.
    await tell(town, opened, closed)
    assert await stored(town, display) == [(BEGAN, BEGAN + timedelta(minutes=9))]

    told = await town.published(subjects.space(town.tenant_id, space_id, "*"))
    names = [one.subject.rpartition(".")[2] for one in told if ".alert_" in one.subject]
    assert names == ["alert_opened", "alert_closed"]
    assert json.loads(told[-1].data)["zone"] == "visitors"


async def test_an_alert_that_comes_back_is_another_one(town: Platform):
    eui = town.new_eui()
    await tell(
        town,
        *(alert(town, eui, is_open=is_open, minutes=minutes) for is_open, minutes in ((True, 0), (False, 1))),
        *(alert(town, eui, is_open=is_open, minutes=minutes) for is_open, minutes in ((True, 2), (False, 1))),
    )
    minute = timedelta(minutes=1)
    assert await stored(town, eui) == [(BEGAN, BEGAN + minute), (BEGAN + 2 * minute, None)]


async def test_an_alert_without_a_known_space_is_kept_and_told_to_nobody(town: Platform):
    eui = town.new_eui()
    await tell(town, alert(town, eui), alert(town, town.new_eui(), space_id=uuid4()))
    assert await stored(town, eui) == [(BEGAN, None)]
    told = await town.published(subjects.spaces_of(town.tenant_id))
    assert [one.subject for one in told if ".alert_" in one.subject] == []


async def test_the_engines_own_clock_leaves_others_alerts_alone(town: Platform, city: City):
    display = town.new_eui()
    space_id = await town.space(display_eui=display)
    await tell(town, alert(town, display, space_id=space_id))
    settings = EngineSettings(database_url=city.database_url)
    pool = await open_pool(settings, role=SERVICE)
    await town.database.execute("UPDATE occupancy.alert_rounds SET begun_at = '-infinity'")
    await AlertClock(pool, Decoders(load_registry(), {}), settings).look_for_alerts()
    await pool.close()
    assert await stored(town, display) == [(BEGAN, None)]
