"""Devices and bindings through the real engine: orphans taken in, sensors assigned, swapped and removed."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest

from parking_contracts.errors import Refusal
from stack.platform import APPLICATION, NOON, Platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

MINUTE = timedelta(minutes=1)
MAPPING = {"occupied_path": "status.car", "battery_path": "battery"}


def why(reply) -> tuple[str, str | None]:
    """(code, field) of a refusal."""
    assert isinstance(reply, Refusal), reply
    return reply.code.value, reply.details.get("field")


async def orphans(town: Platform) -> list[tuple[str, str]]:
    rows = await town.rows(
        "SELECT dev_eui, reason FROM occupancy.orphan_frames WHERE source = $1 ORDER BY id", town.source
    )
    return [(row["dev_eui"], row["reason"]) for row in rows]


async def readings(town: Platform, eui: str) -> list:
    return list(
        await town.rows(
            "SELECT * FROM occupancy.sensor_readings WHERE tenant_id = $1 AND dev_eui = $2 ORDER BY session_at, f_cnt",
            town.tenant_id,
            eui,
        )
    )


def mapped(town: Platform, eui: str, f_cnt: int, car: object, **changes):
    """A frame that ChirpStack's own codec decoded, of a device no codec of ours reads."""
    decoded = msgspec.Raw(b"null") if car is None else msgspec.Raw(msgspec.json.encode({"status": {"car": car}}))
    given = {"object": decoded, "device_profile_name": "Somebody's", "f_port": 10, "data": b"\x07"} | changes
    return town.uplink(eui, f_cnt, True, **given)


async def test_frames_of_an_unbound_application_wait_and_are_taken_in_by_the_binding(city):
    town = await city.town(bound=False)
    eui = town.new_eui()
    space_id = await town.space(eui)
    frames = [town.uplink(eui, 1, False), town.uplink(eui, 2, True), town.uplink(eui, 5, False)]
    await town.hear(*frames, *frames)
    assert await orphans(town) == [(eui, "unknown_application")] * 3
    assert await town.state(space_id) == ("unknown", "silence")

    assert await town.bind() == {"frames_taken_in": 3}
    assert await orphans(town) == []
    assert [row["occupied"] for row in await readings(town, eui)] == [False, True, False]
    assert await town.stays(space_id) == [(NOON + 2 * MINUTE, NOON + 5 * MINUTE)]
    assert await town.state(space_id) == ("free", "sensor")


async def test_frames_that_no_codec_reads_wait_until_the_device_has_one(town: Platform):
    eui = town.new_eui()
    space_id = await town.space(eui)
    await town.hear(*(town.uplink(eui, n, n == 2, device_profile_name="Unheard of") for n in (1, 2)))
    assert await orphans(town) == [(eui, "no_codec")] * 2
    reply = await town.command("device.register", {"dev_eui": eui, "codec": "no_such_codec"})
    assert why(reply) == ("VALIDATION_ERROR", "codec")
    assert "bosch_tps110" in reply.message
    assert len(await orphans(town)) == 2

    device = await town.command("device.register", {"dev_eui": eui.upper(), "codec": "bosch_tps110"})
    assert (device["codec_in_use"], device["occupied"], device["space_id"]) == ("bosch_tps110", True, str(space_id))
    assert await orphans(town) == []
    assert [row["codec"] for row in await readings(town, eui)] == ["bosch_tps110"] * 2
    assert await town.state(space_id) == ("occupied", "sensor")


async def test_a_mapping_reads_the_decoded_object_and_keeps_it(town: Platform):
    eui = town.new_eui()
    space_id = await town.space(eui)
    await town.hear(mapped(town, eui, 1, True))
    assert await orphans(town) == [(eui, "no_codec")]
    assert await town.bind(object_mapping=MAPPING) == {"frames_taken_in": 1}
    assert await town.state(space_id) == ("occupied", "sensor")
    (reading,) = await readings(town, eui)
    assert (reading["codec"], msgspec.json.decode(reading["object"])) == ("object", {"status": {"car": True}})


async def test_a_mapped_device_stays_known_when_a_frame_brings_no_object(town: Platform):
    eui = town.new_eui()
    space_id = await town.space(eui)
    await town.bind(object_mapping=MAPPING)
    letters = await town.last_letter()
    mac_only = {"f_port": 0, "data": b""}
    await town.hear(
        mapped(town, eui, 1, True),
        mapped(town, eui, 2, None, **mac_only),
        mapped(town, eui, 3, None),
        mapped(town, eui, 4, False),
        mapped(town, eui, 5, None, **mac_only),
    )
    assert await orphans(town) == []
    assert [row["occupied"] for row in await readings(town, eui)] == [True, None, None, False, None]
    assert await town.state(space_id) == ("free", "sensor")
    (letter,) = await town.letters_after(letters, 1)
    assert (letter.code.value, letter.detail) == ("codec_failure", "ChirpStack sent no decoded object with this frame")


@pytest.mark.parametrize(
    "mapping", [{}, {"occupied_path": "a..b"}, {"occupied_path": "a", "free_values": [True]}, {"other": "x"}]
)
async def test_a_mapping_that_could_never_work_is_refused(town: Platform, mapping):
    assert why(await town.bind(object_mapping=mapping)) == ("VALIDATION_ERROR", "object_mapping")


async def test_an_application_belongs_to_one_tenant_until_it_is_let_go(town: Platform, city):
    rival = await city.town(bound=False)
    rival.source = town.source
    assert why(await rival.bind())[0] == "RESOURCE_IN_USE"
    application = {"source": town.source, "application_id": APPLICATION}
    assert why(await rival.command("application.unbind", application))[0] == "RECORD_NOT_FOUND"
    assert await town.command("application.unbind", application) == {"frames_taken_in": 0}

    eui = town.new_eui()
    await town.hear(town.uplink(eui, 1, True))
    assert await orphans(town) == [(eui, "unknown_application")]
    assert await rival.bind() == {"frames_taken_in": 1}
    assert len(await readings(rival, eui)) == 1


async def test_a_device_registered_early_is_inert_until_its_application_is_bound(city):
    town = await city.town(bound=False)
    eui = town.new_eui()
    settings = {"dev_eui": eui, "name": "my bay", "codec": "bosch_tps110", "heartbeat_seconds": 60}
    registered = await town.command("device.register", settings)
    assert (registered["name"], registered["last_seen_at"]) == ("my bay", None)
    await town.hear(town.uplink(eui, 1, True))
    assert await orphans(town) == [(eui, "unknown_application")]
    await town.bind()
    device = await town.command("device.register", {"dev_eui": eui})
    assert (device["name"], device["heartbeat_seconds"], device["occupied"]) == ("my bay", 60, True)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"dev_eui": "12"}, "dev_eui"),
        ({"heartbeat_seconds": 9}, "heartbeat_seconds"),
        ({"heartbeat_seconds": 86_400 * 31}, "heartbeat_seconds"),
        ({"confirm_seconds": -1}, "confirm_seconds"),
        ({"name": "x" * 101}, "name"),
        ({"name": None}, "name"),
    ],
)
async def test_settings_out_of_range_are_refused_and_named(town: Platform, change, field):
    reply = await town.command("device.register", {"dev_eui": town.new_eui()} | change)
    assert why(reply)[0] == "VALIDATION_ERROR"
    assert field in reply.message


async def test_settings_are_cleared_by_null_and_kept_when_unnamed(town: Platform):
    eui = town.new_eui()
    settings = {"dev_eui": eui, "codec": "tekzitel_tekzipark", "heartbeat_seconds": 60}
    registered = await town.command("device.register", settings)
    if isinstance(registered, Refusal):
        pytest.fail(registered.message)
    kept = await town.command("device.register", {"dev_eui": eui, "name": "n"})
    assert kept["codec"] == "tekzitel_tekzipark"
    cleared = await town.command("device.register", {"dev_eui": eui, "codec": None, "heartbeat_seconds": None})
    assert cleared["codec"] is None
    await town.hear(town.uplink(eui, 1, True))
    (row,) = await town.rows("SELECT interval_seconds, codec_in_use FROM occupancy.devices WHERE dev_eui = $1", eui)
    assert tuple(row) == (86_400, "bosch_tps110")


async def test_a_sensor_heard_before_its_assignment_tells_at_once_and_begins_its_stay_with_the_next_word(
    town: Platform,
):
    eui = town.new_eui()
    await town.hear(town.uplink(eui, 1, True, received_at=datetime.now(UTC)))
    space_id = await town.space()
    assert await town.state(space_id) == ("free", "default")
    device = await town.command("device.assign", {"dev_eui": eui.upper(), "space_id": space_id})
    assert device["space_id"] == str(space_id)
    assert await town.state(space_id) == ("occupied", "sensor")
    assert await town.stays(space_id) == []
    await town.hear(town.uplink(eui, 2, True), town.uplink(eui, 4, False))
    assert await town.stays(space_id) == [(NOON + 2 * MINUTE, NOON + 4 * MINUTE)]


async def test_a_swapped_sensor_keeps_the_spaces_history_and_ends_the_running_stay(town: Platform):
    old, new = town.new_eui(), town.new_eui()
    space_id = await town.space(old)
    await town.hear(*(town.uplink(old, n, n % 2 == 1) for n in range(1, 4)))
    taken_off = datetime.now(UTC)
    await town.command("device.assign", {"dev_eui": new, "space_id": space_id})
    assert await town.state(space_id) == ("unknown", "silence")
    await town.hear(town.uplink(old, 4, False), town.uplink(new, 7, True, dev_addr="0000000b"))
    assert await town.state(space_id) == ("occupied", "sensor")
    first, second, third = await town.stays(space_id)
    assert first == (NOON + MINUTE, NOON + 2 * MINUTE)
    assert second[0] == NOON + 3 * MINUTE
    assert second[1] >= taken_off
    assert third == (NOON + 7 * MINUTE, None)
    assert [row["space_id"] for row in await readings(town, old)] == [space_id] * 3 + [None]


async def test_a_sensor_taken_off_leaves_a_free_space(town: Platform):
    eui = town.new_eui()
    space_id = await town.space(eui)
    await town.hear(town.uplink(eui, 1, True))
    device = await town.command("device.assign", {"dev_eui": eui, "space_id": None})
    assert device["space_id"] is None
    assert await town.state(space_id) == ("free", "default")
    assert await town.command("device.assign", {"dev_eui": eui, "space_id": None}) == device


async def test_a_sensor_serves_one_space_and_an_unknown_space_none(town: Platform):
    eui = town.new_eui()
    await town.space(eui)
    other = await town.space()
    taken = await town.command("device.assign", {"dev_eui": eui, "space_id": other})
    assert why(taken) == ("DUPLICATE_RESOURCE", "sensor_eui")
    missing = await town.command("device.assign", {"dev_eui": eui, "space_id": uuid4()})
    assert why(missing)[0] == "RECORD_NOT_FOUND"
    unknown = await town.command("device.assign", {"dev_eui": town.new_eui(), "space_id": None})
    assert why(unknown)[0] == "RECORD_NOT_FOUND"


async def test_a_device_is_removed_when_no_space_uses_it_and_its_readings_stay(town: Platform):
    eui = town.new_eui()
    space_id = await town.space(eui)
    await town.hear(town.uplink(eui, 1, True))
    refused = await town.command("device.remove", {"dev_eui": eui})
    assert (why(refused)[0], refused.details) == ("RESOURCE_IN_USE", {"space_id": str(space_id)})
    await town.command("space.delete", {"id": space_id})
    assert (await town.command("device.remove", {"dev_eui": eui}))["dev_eui"] == eui
    assert why(await town.command("device.remove", {"dev_eui": eui}))[0] == "RECORD_NOT_FOUND"
    assert len(await readings(town, eui)) == 1


async def test_health_is_kept_from_readings(town: Platform):
    eui = town.new_eui()
    await town.space(eui)
    await town.hear(
        town.uplink(eui, 1, False, device_profile_name="Tekzitel TEKZIPARK", data=bytes.fromhex("292e62")),
        *(town.uplink(eui, n, n % 2 == 0, received_at=datetime.now(UTC)) for n in range(2, 12)),
    )
    device = await town.command("device.register", {"dev_eui": eui})
    assert (device["rssi"], device["snr"], device["temperature_celsius"]) == (-80, 7.5, 46)
    assert device["flapping"] is True
    assert device["silent"] is False
