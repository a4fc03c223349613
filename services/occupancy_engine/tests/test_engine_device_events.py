"""Status, log and location of a device through the real engine, and re-decoding what it said."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from parking_contracts import subjects
from parking_contracts.device import DeviceFact, DeviceJoined, DeviceLocated, DeviceLogged, DeviceStatus
from parking_contracts.errors import Refusal
from stack.consumers import caught_up
from stack.platform import APPLICATION, NOON, Platform
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTE = timedelta(minutes=1)


def fact(town: Platform, eui: str, **changes) -> dict:
    return {
        "source": town.source,
        "dev_eui": eui,
        "application_id": APPLICATION,
        "received_at": datetime.now(UTC),
    } | changes


async def tell(town: Platform, name: str, event: DeviceFact | bytes, eui: str) -> None:
    """Publish on DEVICES and wait until the engine has settled it."""
    jetstream = town.bus.jetstream()
    body = event if isinstance(event, bytes) else msgspec.json.encode(event)
    await jetstream.publish(subjects.device(name, eui), body)
    await caught_up(town.bus, "DEVICES", "occupancy_engine")


async def device(town: Platform, eui: str):
    (row,) = await town.rows(
        "SELECT * FROM occupancy.devices WHERE tenant_id = $1 AND dev_eui = $2", town.tenant_id, eui
    )
    return row


async def test_status_log_and_location_are_noted_on_their_device(town: Platform):
    eui = town.new_eui()
    await town.hear(town.uplink(eui, 1, True))
    given = fact(town, eui)
    await tell(town, "status", DeviceStatus(**given, margin=-7, external_power=True, battery_percent=88.3), eui)
    await tell(town, "status", DeviceStatus(**given, margin=10, external_power=False), eui)
    for level in ("WARNING", "ERROR", "INFO"):
        logged = DeviceLogged(**given, level=level, code=f"{level}_CODE", description="said so")
        await tell(town, "log", logged, eui)
    await tell(town, "location", DeviceLocated(**given, latitude=37.34, longitude=-8.83), eui)
    await tell(town, "join", DeviceJoined(**given, dev_addr="00000001"), eui)
    row = await device(town, eui)
    assert (row["battery_percent"], row["margin_db"], row["external_power"]) == (pytest.approx(88.3), 10, False)
    assert (row["network_errors"], row["last_error"]) == (2, "ERROR_CODE: said so")
    assert (row["latitude"], row["longitude"]) == (37.34, -8.83)
    assert row["occupied"] is True


async def test_facts_of_strangers_and_poison_stop_nothing(town: Platform):
    eui, letters = town.new_eui(), await town.last_letter()
    await tell(town, "status", DeviceStatus(**fact(town, eui), margin=1, external_power=False), eui)
    elsewhere = fact(town, eui, application_id="nobody's")
    await tell(town, "location", DeviceLocated(**elsewhere, latitude=1, longitude=1), eui)
    await tell(town, "status", b"not json", eui)
    await tell(town, "log", b'{"level": 1}', eui)
    assert {letter.code.value for letter in await town.letters_after(letters, 2)} == {"invalid_event"}
    assert await town.rows("SELECT 1 FROM occupancy.devices WHERE dev_eui = $1", eui) == []


async def test_a_value_that_no_column_holds_is_set_aside_at_once(town: Platform):
    eui, letters = town.new_eui(), await town.last_letter()
    await town.hear(town.uplink(eui, 1, True))
    given = fact(town, eui)
    await tell(town, "status", DeviceStatus(**given, margin=100_000, external_power=False), eui)
    await tell(town, "log", DeviceLogged(**given, level="ERROR", code="nul\x00"), eui)
    found = [(letter.code.value, letter.attempts) for letter in await town.letters_after(letters, 2)]
    assert found == [("invalid_value", 1)] * 2


def mapped(town: Platform, eui: str, f_cnt: int, word: str):
    decoded = msgspec.Raw(msgspec.json.encode({"state": word}))
    return town.uplink(eui, f_cnt, True, object=decoded, device_profile_name="Somebody's", f_port=10, data=b"\x07")


async def test_a_corrected_mapping_changes_readings_stays_and_the_state(town: Platform):
    eui = town.new_eui()
    space_id = await town.space(eui)
    await town.bind(object_mapping={"occupied_path": "state", "occupied_values": ["on"], "free_values": ["off"]})
    words = ("off", "on", "off", "on", "on")
    await town.hear(*(mapped(town, eui, n, word) for n, word in enumerate(words)))
    assert await town.stays(space_id) == [(NOON + MINUTE, NOON + 2 * MINUTE), (NOON + 3 * MINUTE, None)]
    assert await town.state(space_id) == ("occupied", "sensor")

    await town.bind(object_mapping={"occupied_path": "state", "occupied_values": ["off"], "free_values": ["on"]})
    done = await town.command("device.redecode", {"dev_eui": eui})
    assert (done["readings"], done["changed"]) == (5, 5)
    assert await town.stays(space_id) == [(NOON, NOON + MINUTE), (NOON + 2 * MINUTE, NOON + 3 * MINUTE)]
    assert await town.state(space_id) == ("free", "sensor")
    again = await town.command("device.redecode", {"dev_eui": eui})
    assert again == {"readings": 5, "changed": 0, "stays_changed": 0}
    await town.hear(mapped(town, eui, 7, "off"))
    assert (await town.stays(space_id))[-1] == (NOON + 7 * MINUTE, None)


async def test_redecoding_starts_where_it_is_told_to(town: Platform):
    eui = town.new_eui()
    await town.space(eui)
    await town.hear(*(town.uplink(eui, n, n == 1, received_at=NOON + n * MINUTE) for n in range(4)))
    since = NOON + 2 * MINUTE
    assert (await town.command("device.redecode", {"dev_eui": eui, "since": since}))["readings"] == 2
    naive = await town.command("device.redecode", {"dev_eui": eui, "since": "2026-01-01T00:00:00"})
    unknown = await town.command("device.redecode", {"dev_eui": town.new_eui()})
    assert [reply.code.value for reply in (naive, unknown) if isinstance(reply, Refusal)] == [
        "VALIDATION_ERROR",
        "RECORD_NOT_FOUND",
    ]


async def test_a_replayed_dead_letter_is_read_again_with_todays_codec(town: Platform):
    eui = town.new_eui()
    space_id = await town.space(eui)
    letters = await town.last_letter()
    # A Tekzitel frame under the wrong profile.
    wrong = town.uplink(eui, 1, True, data=bytes.fromhex("a82d63"))
    await town.hear(wrong, town.uplink(eui, 0, False))
    (letter,) = await town.letters_after(letters, 1)
    assert letter.code.value == "codec_failure"
    assert "3 bytes" in letter.detail
    assert await town.state(space_id) == ("free", "sensor") or await town.stays(space_id) == []

    await town.command("device.register", {"dev_eui": eui, "codec": "tekzitel_tekzipark"})
    jetstream = town.bus.jetstream()
    await jetstream.publish(letter.address, letter.body, headers={"Parkstream-Replay": letter.id})
    await eventually(town.idle)
    assert await town.state(space_id) == ("occupied", "sensor")
    assert await town.stays(space_id) == [(NOON + MINUTE, None)]
    (reading,) = await town.rows(
        "SELECT decode_error, codec, occupied FROM occupancy.sensor_readings WHERE dev_eui = $1 AND f_cnt = 1", eui
    )
    assert tuple(reading) == (None, "tekzitel_tekzipark", True)


async def test_a_replay_that_still_cannot_be_read_is_a_dead_letter_again(town: Platform):
    eui = town.new_eui()
    await town.space(eui)
    letters = await town.last_letter()
    await town.hear(town.uplink(eui, 1, True, data=bytes.fromhex("a82d63")))
    (letter,) = await town.letters_after(letters, 1)
    jetstream = town.bus.jetstream()
    await jetstream.publish(letter.address, letter.body, headers={"Parkstream-Replay": "1"})
    (again,) = (await town.letters_after(letters, 2))[1:]
    assert (again.code, again.detail, again.body) == (letter.code, letter.detail, letter.body)
    await eventually(town.idle)
    (reading,) = await town.rows("SELECT decode_error FROM occupancy.sensor_readings WHERE dev_eui = $1", eui)
    assert reading["decode_error"] == letter.detail
