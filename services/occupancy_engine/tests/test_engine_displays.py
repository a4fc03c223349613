"""What the engine tells of displays it hears, and that a display is never judged as a sensor."""

from datetime import timedelta

import msgspec
import pytest

from parking_contracts import subjects
from parking_contracts.display import DisplayReported
from parking_contracts.uplink import Reception
from stack.platform import NOON, Platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

BUSYLIGHT = "Kuando Busylight"
REPORT = bytes.fromhex("c4ffffff210000000400000003000000999900ff00440f0101")


def frame(town: Platform, eui: str, f_cnt: int, **changes):
    given = {"device_profile_name": BUSYLIGHT, "f_port": 15, "data": REPORT}
    return town.uplink(eui, f_cnt, None, **given | changes)


async def reports(town: Platform, eui: str) -> list[DisplayReported]:
    told = await town.published(subjects.device("reported", eui))
    return [msgspec.json.decode(one.data, type=DisplayReported) for one in told]


async def test_each_new_frame_of_a_display_is_told_with_the_gateway_that_heard_it_best(town: Platform):
    eui = town.new_eui()
    heard_by = (
        Reception(gateway_id="00000000000000aa", rssi=-100, snr=-3.5),
        Reception(gateway_id="00000000000000bb", rssi=-110, snr=8.0),
        Reception(gateway_id="00000000000000cc", rssi=-60),
    )
    await town.hear(frame(town, eui, 5, receptions=heard_by))
    (told,) = await reports(town, eui)
    assert told == DisplayReported(
        tenant_id=town.tenant_id,
        dev_eui=eui,
        codec="kuando_busylight",
        gateway_id="00000000000000bb",
        session_at=told.session_at,
        f_cnt=5,
        f_port=15,
        data=REPORT,
        received_at=NOON + timedelta(minutes=5),
    )


async def test_mac_only_and_unreadable_frames_of_a_display_are_told_too(town: Platform):
    eui = town.new_eui()
    await town.hear(frame(town, eui, 1, f_port=0, data=b""), frame(town, eui, 2, data=b"\x01", receptions=()))
    told = [(one.f_cnt, one.f_port, one.data, one.gateway_id) for one in await reports(town, eui)]
    assert told == [(1, 0, b"", "0016c001f153a14c"), (2, 15, b"\x01", None)]


async def test_repeated_and_late_frames_of_a_display_are_not_told(town: Platform):
    eui = town.new_eui()
    await town.hear(frame(town, eui, 7))
    await town.hear(frame(town, eui, 7), frame(town, eui, 3), frame(town, eui, 8), frame(town, eui, 8))
    assert [one.f_cnt for one in await reports(town, eui)] == [7, 8]


async def test_a_rejoined_display_is_told_with_its_new_session(town: Platform):
    eui = town.new_eui()
    await town.hear(frame(town, eui, 90), frame(town, eui, 0, dev_addr="00000007", at=NOON + timedelta(hours=3)))
    before, after = await reports(town, eui)
    assert (before.f_cnt, after.f_cnt) == (90, 0)
    assert before.session_at < after.session_at


async def test_sensors_are_not_told_as_displays(town: Platform):
    eui = town.new_eui()
    await town.hear(town.uplink(eui, 1, True), town.uplink(eui, 2, None))
    assert await reports(town, eui) == []


async def test_a_space_is_not_judged_by_what_its_display_says_or_does_not(town: Platform):
    sensor, display = town.new_eui(), town.new_eui()
    space_id = await town.space(sensor, display_eui=display)
    await town.hear(town.uplink(sensor, 1, False), frame(town, display, 1))
    # Heard a day ago, by its source's watermark: long silent, were it a sensor.
    await town.database.execute(
        "UPDATE occupancy.devices SET last_seen_at = now() - interval '1 day' WHERE dev_eui = $1", display
    )
    await town.hear(frame(town, town.new_eui(), 1))
    (row,) = await town.rows("SELECT silent, occupied, codec_in_use FROM occupancy.devices WHERE dev_eui = $1", display)
    assert tuple(row) == (False, None, "kuando_busylight")
    assert await town.state(space_id) == ("free", "sensor")
