"""The figures of the whole city, counted from rows."""

from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY

from occupancy_engine.city_measures import CityMeasures
from parking_chassis.postgres import open_pool
from parking_chassis.settings import DatabaseSettings
from parking_contracts.uplink import Tick
from stack.platform import City, Platform
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"parkstream_engine_{name}", labels) or 0.0


async def test_spaces_sensors_orphans_sources_and_partitions_are_counted(city: City, town: Platform) -> None:
    heard, unheard, unknown = town.new_eui(), town.new_eui(), town.new_eui()
    await town.space(heard)
    await town.space(unheard)
    await town.space()
    stranger = town.uplink(unknown, 1, True, application_id="another application")
    again = town.uplink(unknown, 2, True, application_id="another application")
    await town.hear(town.uplink(heard, 1, True), stranger, again)
    await town.publish(Tick(source=town.source, at=datetime.now(UTC)))
    pool = await open_pool(DatabaseSettings(database_url=city.database_url), role="occupancy_engine")

    async def counted() -> bool:
        await CityMeasures(pool).measure_city()
        return value("watermark_age_seconds", source=town.source) > 0

    await eventually(counted)
    assert value("spaces", state="occupied") == 1
    assert value("spaces", state="unknown") == 1
    assert value("spaces", state="free") == 1
    assert [value("devices", condition=one) for one in ("heard", "never_heard", "silent")] == [1, 1, 0]
    assert value("orphan_devices") == 1
    assert value("orphan_frames") == 2
    for table in ("sensor_readings", "state_changes"):
        assert value("partitions_until_timestamp_seconds", table=table) > datetime.now(UTC).timestamp() + 86_400
    await pool.close()
