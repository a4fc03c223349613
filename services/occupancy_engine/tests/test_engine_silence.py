"""Silence by the watermark: what devices owe us is judged by ticks that were handled, never by our own outages."""

from datetime import UTC, datetime, timedelta

import pytest

from parking_contracts.uplink import Tick
from stack.platform import Platform
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

START = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
FREE, OCCUPIED, SILENT = ("free", "sensor"), ("occupied", "sensor"), ("unknown", "silence")


def second(number: float) -> datetime:
    return START + timedelta(seconds=number)


async def sensor(town: Platform, *, occupied: bool = False, heartbeat_seconds: int = 10, **settings):
    """A space whose sensor spoke at second 0 and owes a word every ten seconds."""
    eui = town.new_eui()
    await town.command("device.register", {"dev_eui": eui, "heartbeat_seconds": heartbeat_seconds} | settings)
    space_id = await town.space(eui)
    await town.hear(town.uplink(eui, 1, occupied, at=second(0)))
    return eui, space_id


async def pass_time(town: Platform, *moments: float) -> None:
    """A tick at each of these seconds, each handled before the next: the watermark stands at the last."""
    for at in moments:
        await town.publish(Tick(source=town.source, at=second(at)))
        await eventually(lambda at=at: watermark_at(town, at))


async def watermark_at(town: Platform, end: float) -> bool:
    rows = await town.rows("SELECT heard_until FROM occupancy.source_watermarks WHERE source = $1", town.source)
    return bool(rows) and rows[0]["heard_until"] == second(end)


async def shows(town: Platform, space_id, expected) -> None:
    async def shown() -> bool:
        return await town.state(space_id) == expected

    await eventually(shown, 5)


async def still_shows(town: Platform, space_id, expected) -> None:
    """After a whole sweep more: a sentinel device of the same source falls silent only in a later sweep."""
    _, sentinel = await sensor(town, heartbeat_seconds=10)
    await town.database.execute(
        "UPDATE occupancy.devices SET reading_received_at = $2 WHERE dev_eui = "
        "(SELECT sensor_eui FROM occupancy.spaces WHERE id = $1)",
        sentinel,
        second(-100_000),
    )
    await town.database.execute(
        "UPDATE occupancy.devices SET interval_seconds = -1000000 WHERE dev_eui = "
        "(SELECT sensor_eui FROM occupancy.spaces WHERE id = $1)",
        sentinel,
    )
    await shows(town, sentinel, SILENT)
    assert await town.state(space_id) == expected


async def test_a_device_is_silent_after_its_missed_heartbeats_and_heals_with_its_next_word(town: Platform):
    eui, space_id = await sensor(town)
    await pass_time(town, 0, 30)
    await still_shows(town, space_id, FREE)
    await pass_time(town, 31)
    await shows(town, space_id, SILENT)
    (change,) = await town.rows(
        "SELECT previous, source, cause FROM occupancy.state_changes WHERE space_id = $1 AND state = 'unknown'",
        space_id,
    )
    assert tuple(change) == ("free", "clock", "clock:silent")
    await town.hear(town.uplink(eui, 2, False, at=second(32)))
    assert await town.state(space_id) == FREE


async def test_silence_masks_an_occupied_space_too_and_an_override_masks_silence(town: Platform):
    _, space_id = await sensor(town, occupied=True)
    await town.command("space.set_state", {"id": space_id, "state": "maintenance"})
    await pass_time(town, 0, 31)

    async def silent() -> bool:
        return bool(await town.rows("SELECT 1 FROM occupancy.spaces WHERE id = $1 AND sensor_silent", space_id))

    await eventually(silent)
    assert await town.state(space_id) == ("maintenance", "override")
    await town.command("space.set_state", {"id": space_id, "state": "free"})
    assert await town.state(space_id) == SILENT


async def test_after_an_outage_of_ours_a_device_has_one_full_interval(town: Platform):
    eui, space_id = await sensor(town)
    await pass_time(town, 0, 5)
    await pass_time(town, 3600, 3610)  # an hour without ticks: nobody listened
    await still_shows(town, space_id, FREE)
    await pass_time(town, 3611)
    await shows(town, space_id, SILENT)
    await town.hear(town.uplink(eui, 2, True, at=second(3612)))
    assert await town.state(space_id) == OCCUPIED


async def test_a_device_is_judged_by_the_source_it_was_heard_on(town: Platform):
    _, space_id = await sensor(town)
    await pass_time(town, 0, 5)
    other = Platform(town.database, town.bus, source=f"{town.source}-other")
    await pass_time(other, 0, 60, 120)
    await still_shows(town, space_id, FREE)


async def test_a_tick_does_not_count_before_everything_ahead_of_it_is_handled(town: Platform):
    """A word that the engine has not handled yet, and a tick behind it: a lagging consumer finds nobody silent."""
    eui, space_id = await sensor(town)
    await pass_time(town, 0, 5)
    # While somebody holds the device's row, its frame waits in the engine and the ticks behind it with it.
    async with town.database.transaction():
        await town.rows("SELECT 1 FROM occupancy.devices WHERE dev_eui = $1 FOR UPDATE", eui)
        await town.publish(town.uplink(eui, 2, False, at=second(35)))
        for at in range(10, 60, 5):
            await town.publish(Tick(source=town.source, at=second(at)))
    await eventually(lambda: watermark_at(town, 55))
    assert await town.state(space_id) == FREE
    changes = await town.rows("SELECT 1 FROM occupancy.state_changes WHERE space_id = $1", space_id)
    assert len(changes) == 1


async def test_a_change_is_held_back_until_the_watermark_has_passed_its_window(town: Platform):
    eui, space_id = await sensor(town, heartbeat_seconds=3600, confirm_seconds=60)
    await pass_time(town, 0, 5)
    await town.hear(town.uplink(eui, 2, True, at=second(10)))
    await pass_time(town, 69)
    assert await town.state(space_id) == FREE
    await pass_time(town, 70)
    await shows(town, space_id, OCCUPIED)
    (row,) = await town.rows("SELECT sensor_since FROM occupancy.spaces WHERE id = $1", space_id)
    assert row["sensor_since"] == second(10)
    (change,) = await town.rows(
        "SELECT cause, occurred_at FROM occupancy.state_changes WHERE space_id = $1 AND state = 'occupied'", space_id
    )
    assert tuple(change) == ("clock:confirmed", second(10))


async def test_a_tick_that_is_none_ends_nothing(town: Platform):
    _, space_id = await sensor(town)
    letters = await town.last_letter()
    for tick in (
        b'{"source":"x","at":"2026-01-01T00:00:00"}',
        b'{"source":1,"at":0}',
        b'{"at":"2026-01-01T00:00:00Z"}',
    ):
        await town.bus.jetstream().publish("parking.v1.tick", tick)
    await eventually(town.idle)
    assert {one.address for one in await town.letters_after(letters, 3)} == {"parking.v1.tick"}
    await pass_time(town, 0, 31)
    await shows(town, space_id, SILENT)
