"""Devices as the network server lists them, through the real engine: made, followed, and never somebody else's."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest

from parking_contracts import subjects
from parking_contracts.device_commands import BindApplication, UnbindApplication
from parking_contracts.network import DeviceSynced, GatewaySynced
from stack.consumers import caught_up
from stack.platform import APPLICATION, City, Platform

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED = datetime.now(UTC) + timedelta(days=2)  # after every frame of these tests


def listed(town: Platform, eui: str, **changes) -> DeviceSynced:
    given = {
        "source": town.source,
        "dev_eui": eui,
        "application_id": APPLICATION,
        "device_name": "sign-1",
        "device_profile_name": "Kuando Busylight",
        "received_at": ASKED,
        "device_class": "C",
    }
    return DeviceSynced(**given | changes)


async def settled(town: Platform) -> None:
    await caught_up(town.bus, "DEVICES", "occupancy_engine", 20)


async def sync(town: Platform, *facts: DeviceSynced) -> None:
    jetstream = town.bus.jetstream()
    for one in facts:
        await jetstream.publish(subjects.device("synced", one.dev_eui), msgspec.json.encode(one))
    await settled(town)


async def device(town: Platform, eui: str):
    """(application, profile, name, is bound) of the tenant's row, or None."""
    rows = await town.rows(
        "SELECT application_id, profile_name, d.name, is_bound FROM occupancy.downlink_devices"
        " JOIN occupancy.devices d USING (tenant_id, dev_eui, application_id, profile_name)"
        " WHERE tenant_id = $1 AND dev_eui = $2",
        town.tenant_id,
        eui,
    )
    return tuple(rows[0]) if rows else None


async def application(town: Platform, eui: str):
    rows = await town.rows(
        "SELECT application_id FROM occupancy.devices WHERE tenant_id = $1 AND dev_eui = $2", town.tenant_id, eui
    )
    return [row["application_id"] for row in rows]


async def test_a_device_of_a_bound_application_is_made_before_it_is_heard(town: Platform):
    eui = town.new_eui()
    await sync(town, listed(town, eui))
    assert await device(town, eui) == (APPLICATION, "Kuando Busylight", "sign-1", True)


async def test_a_registered_device_becomes_bound_and_keeps_its_name_and_codec(town: Platform):
    eui = town.new_eui()
    await town.command("device.register", {"dev_eui": eui, "name": "Gate 3", "codec": "generic_rgb"})
    assert (await town.rows("SELECT is_bound FROM occupancy.downlink_devices WHERE dev_eui = $1", eui))[0][0] is False
    await sync(town, listed(town, eui), listed(town, eui))
    assert await device(town, eui) == (APPLICATION, "Kuando Busylight", "Gate 3", True)
    (row,) = await town.rows("SELECT codec FROM occupancy.devices WHERE dev_eui = $1", eui)
    assert row["codec"] == "generic_rgb"


async def test_unbound_and_disabled_devices_are_not_made(town: Platform):
    stranger, disabled, known = town.new_eui(), town.new_eui(), town.new_eui()
    await town.command("device.register", {"dev_eui": known})
    await sync(
        town,
        listed(town, stranger, application_id="nobody's"),
        listed(town, disabled, is_disabled=True),
        listed(town, known, is_disabled=True),
    )
    assert await device(town, stranger) is None
    assert await device(town, disabled) is None
    assert await device(town, known) == (APPLICATION, "Kuando Busylight", "sign-1", True)


async def test_nobody_learns_of_a_device_by_writing_its_eui_down(city: City):
    owner, other = await city.town(), await city.town()
    eui = owner.new_eui()
    await other.command("device.register", {"dev_eui": eui})
    await sync(owner, listed(owner, eui))
    assert await device(owner, eui) == (APPLICATION, "Kuando Busylight", "sign-1", True)
    (row,) = await other.rows(
        "SELECT source, application_id, profile_name, name FROM occupancy.devices"
        " WHERE tenant_id = $1 AND dev_eui = $2",
        other.tenant_id,
        eui,
    )
    assert tuple(row) == (None, None, "", "")


async def test_a_device_moved_to_another_tenants_application_is_taken_from_the_first(city: City):
    first, second = await city.town(), await city.town(bound=False)
    second.source = first.source
    moved_to = str(uuid4())
    await second.command("application.bind", BindApplication(source=first.source, application_id=moved_to))
    eui = first.new_eui()
    await first.hear(first.uplink(eui, 1, True))
    await sync(first, listed(first, eui))
    await sync(first, listed(first, eui, application_id=moved_to, received_at=ASKED + timedelta(minutes=5)))
    assert await application(first, eui) == [None]
    assert await device(second, eui) == (moved_to, "Kuando Busylight", "sign-1", True)
    # What happened to the space and its readings stays where it was.
    assert len(await first.rows("SELECT 1 FROM occupancy.sensor_readings WHERE dev_eui = $1", eui)) == 1


async def test_a_device_moved_within_its_tenant_follows(town: Platform):
    eui, moved_to = town.new_eui(), str(uuid4())
    await town.command("application.bind", BindApplication(source=town.source, application_id=moved_to))
    await sync(town, listed(town, eui))
    await sync(town, listed(town, eui, application_id=moved_to, device_profile_name="Generic RGB"))
    assert await device(town, eui) == (moved_to, "Generic RGB", "sign-1", True)


async def test_a_device_of_an_application_given_up_is_unbound(town: Platform):
    eui = town.new_eui()
    await sync(town, listed(town, eui))
    await town.command("application.unbind", UnbindApplication(source=town.source, application_id=APPLICATION))
    await sync(town, listed(town, eui))
    assert await application(town, eui) == [None]


async def test_an_answer_asked_for_before_the_last_frame_changes_nothing(town: Platform):
    eui, stale = town.new_eui(), str(uuid4())
    await town.command("application.bind", BindApplication(source=town.source, application_id=stale))
    await town.hear(town.uplink(eui, 1, True))
    await sync(town, listed(town, eui, application_id=stale, received_at=datetime.now(UTC)))
    assert await application(town, eui) == [APPLICATION]


async def test_a_device_heard_through_another_integration_stays_there(town: Platform):
    eui = town.new_eui()
    await town.hear(town.uplink(eui, 1, True))
    elsewhere = f"{town.source}-http"
    await town.command("application.bind", BindApplication(source=elsewhere, application_id=APPLICATION))
    await sync(town, listed(town, eui, source=elsewhere))
    (row,) = await town.rows("SELECT source, application_id FROM occupancy.devices WHERE dev_eui = $1", eui)
    assert tuple(row) == (town.source, APPLICATION)


async def test_a_gateways_fact_is_no_devices(town: Platform):
    letters = await town.last_letter()
    gateway = GatewaySynced(
        source=town.source,
        gateway_id="0016c001f153a14c",
        network_tenant_id=str(uuid4()),
        name="roof",
        state="online",
        synced_at=ASKED,
    )
    await town.bus.jetstream().publish(subjects.gateway("synced", gateway.gateway_id), msgspec.json.encode(gateway))
    await settled(town)
    assert await town.last_letter() == letters


async def test_many_devices_are_taken_up_in_few_statements(town: Platform):
    euis = [town.new_eui() for _ in range(1_200)]
    jetstream = town.bus.jetstream()
    for eui in euis:
        await jetstream.publish(subjects.device("synced", eui), msgspec.json.encode(listed(town, eui)))
    await settled(town)
    (row,) = await town.rows("SELECT count(*) FROM occupancy.devices WHERE tenant_id = $1", town.tenant_id)
    assert row["count"] == len(euis)
