"""Devices that are heard over HTTP owe us a word too: they are judged by the watermark of INGRESS."""

from datetime import UTC, datetime, timedelta

import pytest

from parking_contracts.uplink import Tick
from stack.platform import Platform
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
FREE, SILENT = ("free", "sensor"), ("unknown", "silence")


def second(number: float) -> datetime:
    return START + timedelta(seconds=number)


async def sensor(town: Platform, at: float = 0):
    """A space whose sensor owes a word every ten seconds, and three before it is silent."""
    eui = town.new_eui()
    await town.command("device.register", {"dev_eui": eui, "heartbeat_seconds": 10})
    space_id = await town.space(eui)
    await town.hear(town.uplink(eui, 1, False, at=second(at)))
    return eui, space_id


async def tick(town: Platform, source: str, *moments: float) -> None:
    """A tick at each of these seconds; the watermark stands at the last when this returns."""
    for moment in moments:
        await town.publish(Tick(source=source, at=second(moment)))

        async def arrived(moment=moment) -> bool:
            query = "SELECT 1 FROM occupancy.source_watermarks WHERE source = $1 AND heard_until = $2"
            return bool(await town.rows(query, source, second(moment)))

        await eventually(arrived)


async def shows(town: Platform, space_id, expected) -> None:
    async def shown() -> bool:
        return await town.state(space_id) == expected

    await eventually(shown, 5)


async def test_over_http_a_device_falls_silent_by_the_watermark_of_ingress_and_an_outage_of_ours_silences_nobody(
    city,
) -> None:
    by_http, by_mqtt = await city.town(), await city.town()
    await tick(by_mqtt, by_mqtt.source, 0)
    await tick(by_http, "ingress", 0, 5)
    eui, heard = await sensor(by_http)
    _, elsewhere = await sensor(by_mqtt)

    # An hour without a tick: no gateway took events. After it, every device has one full interval.
    await tick(by_http, "ingress", 3600, 3610)
    _, sentinel = await sensor(by_http, at=3560)
    await by_http.database.execute(
        "UPDATE occupancy.devices SET interval_seconds = -1000000 WHERE dev_eui = "
        "(SELECT sensor_eui FROM occupancy.spaces WHERE id = $1)",
        sentinel,
    )
    await shows(by_http, sentinel, SILENT)
    assert await by_http.state(heard) == FREE, "a sweep has looked, and the interval was not over"

    await tick(by_http, "ingress", 3611)
    await shows(by_http, heard, SILENT)
    assert await by_mqtt.state(elsewhere) == FREE, "a source with ticks of its own is judged by those alone"
    await by_http.hear(by_http.uplink(eui, 2, False, at=second(3612)))
    assert await by_http.state(heard) == FREE
