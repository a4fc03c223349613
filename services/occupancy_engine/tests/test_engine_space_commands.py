"""Commands on sites and spaces through the real engine: what they do, and each refusal with the field at fault."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from parking_contracts import subjects
from parking_contracts.errors import Refusal
from stack.platform import Platform
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


def why(reply) -> tuple[str, str | None]:
    """(code, field) of a refusal."""
    assert isinstance(reply, Refusal), reply
    return reply.code.value, reply.details.get("field")


def body(town: Platform, **changes) -> dict:
    return {"site_id": town.site_id, "name": "Bay", "code": uuid4().hex[:20]} | changes


async def test_a_space_is_created_with_everything_it_was_given(town: Platform):
    eui = town.new_eui()
    given = body(
        town, name="Ä" * 100, code="A-17", kind="ev", building="P1", floor="-2", zone="north", latitude=51.9,
        longitude=4.5, sensor_eui=":".join(eui[i : i + 2] for i in range(0, 16, 2)).upper(),
        display_eui="AA-BB CC:DD-EE FF:00-11", metadata={"a": [1, None, {"b": "ü"}]}, id=uuid4(),
    )  # fmt: skip
    created = await town.command("space.create", given)
    assert created["sensor_eui"] == eui
    assert created["display_eui"] == "aabbccddeeff0011"
    for name in ("name", "code", "kind", "building", "floor", "zone", "latitude", "longitude", "metadata"):
        assert created[name] == given[name]
    assert (created["id"], created["version"]) == (str(given["id"]), 1)
    assert (created["state"], created["state_layer"]) == ("unknown", "silence")


async def test_a_space_without_a_sensor_is_free(town: Platform):
    created = await town.command("space.create", body(town))
    assert (created["state"], created["state_layer"], created["state_reason"]) == ("free", "default", "no sensor")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"code": ""}, "code"),
        ({"code": "x" * 21}, "code"),
        ({"kind": "boat"}, "kind"),
        ({"building": "x" * 101}, "building"),
        ({"floor": "x" * 21}, "floor"),
        ({"zone": "x" * 51}, "zone"),
        ({"latitude": 90.1, "longitude": 0}, "latitude"),
        ({"latitude": 0, "longitude": -180.1}, "longitude"),
        ({"latitude": 1}, "longitude"),
        ({"longitude": 1}, "latitude"),
        ({"latitude": "nan", "longitude": 1}, "latitude"),
        ({"sensor_eui": "123"}, "sensor_eui"),
        ({"sensor_eui": "g" * 16}, "sensor_eui"),
        ({"display_eui": "11223344556677889"}, "display_eui"),
        ({"metadata": []}, "metadata"),
        ({"id": "no uuid"}, "id"),
        ({"colour": "red"}, "colour"),
        ({"name": "nul\x00"}, None),
        ({"metadata": {"nul": "\x00"}}, None),
    ],
)
async def test_a_value_that_cannot_be_right_is_refused_and_named(town: Platform, changes, field):
    reply = await town.command("space.create", body(town, **changes))
    assert why(reply)[0] == "VALIDATION_ERROR"
    assert field is None or field in reply.message
    assert await town.rows("SELECT 1 FROM occupancy.spaces WHERE tenant_id = $1", town.tenant_id) == []
    assert await town.rows("SELECT 1 FROM occupancy.devices WHERE tenant_id = $1", town.tenant_id) == []


async def test_code_sensor_display_and_id_are_used_once_until_the_space_is_deleted(town: Platform):
    taken = {
        "code": "A1", "sensor_eui": town.new_eui(), "display_eui": town.new_eui(), "id": str(uuid4())
    }  # fmt: skip
    first = await town.command("space.create", body(town, **taken))
    for field, value in taken.items():
        assert why(await town.command("space.create", body(town, **{field: value}))) == ("DUPLICATE_RESOURCE", field)
    second = await town.command("space.create", body(town))
    for field in ("code", "sensor_eui", "display_eui"):
        change = {"id": second["id"], field: taken[field]}
        assert why(await town.command("space.update", change)) == ("DUPLICATE_RESOURCE", field)

    gone = await town.command("space.delete", {"id": first["id"]})
    assert gone["deleted_at"]
    del taken["id"]
    assert (await town.command("space.create", body(town, **taken)))["code"] == "A1"
    assert why(await town.command("space.delete", {"id": first["id"]}))[0] == "RECORD_NOT_FOUND"
    assert why(await town.command("space.update", {"id": first["id"]}))[0] == "RECORD_NOT_FOUND"


async def test_the_same_code_stands_on_two_sites_and_in_two_tenants(town: Platform, city):
    other_site = await town.command("site.create", {"name": "Other"})
    neighbour = await city.town()
    for host, site in ((town, town.site_id), (town, other_site["id"]), (neighbour, neighbour.site_id)):
        created = await host.command("space.create", body(host, code="SAME", site_id=site))
        assert created["code"] == "SAME"


async def test_another_tenants_space_and_site_do_not_exist(town: Platform, city):
    neighbour = await city.town()
    theirs = await neighbour.space()
    for name, change in (
        ("space.update", {"id": theirs, "name": "mine"}),
        ("space.delete", {"id": theirs}),
        ("space.set_state", {"id": theirs, "state": "maintenance"}),
        ("space.create", body(town, site_id=neighbour.site_id)),
        ("site.update", {"id": neighbour.site_id, "name": "mine"}),
        ("site.delete", {"id": neighbour.site_id}),
    ):
        assert why(await town.command(name, change))[0] == "RECORD_NOT_FOUND", name


async def test_an_update_changes_what_it_names_and_null_clears(town: Platform):
    created = await town.command(
        "space.create", body(town, floor="1", zone="north", latitude=1, longitude=2, metadata={"a": 1})
    )
    update = {"id": created["id"], "floor": None, "zone": "south", "kind": "permit", "metadata": {}}
    updated = await town.command("space.update", update)
    assert (updated["floor"], updated["zone"], updated["kind"], updated["metadata"]) == (None, "south", "permit", {})
    assert (updated["name"], updated["code"], updated["latitude"]) == (created["name"], created["code"], 1)
    assert updated["version"] == 2


@pytest.mark.parametrize(
    ("change", "answer"),
    [
        ({"latitude": 5}, (5, 2)),
        ({"latitude": None}, "latitude"),
        ({"longitude": None}, "longitude"),
        ({"latitude": None, "longitude": None}, (None, None)),
        ({"latitude": 5, "longitude": 6}, (5, 6)),
    ],
)
async def test_a_position_keeps_both_coordinates_or_loses_both(town: Platform, change, answer):
    created = await town.command("space.create", body(town, latitude=1, longitude=2))
    updated = await town.command("space.update", {"id": created["id"]} | change)
    if isinstance(answer, str):
        assert why(updated) == ("VALIDATION_ERROR", answer)
    else:
        assert (updated["latitude"], updated["longitude"]) == answer


async def test_a_refused_update_leaves_nothing_behind(town: Platform):
    eui = town.new_eui()
    refused = await town.command("space.update", {"id": uuid4(), "sensor_eui": eui})
    assert why(refused)[0] == "RECORD_NOT_FOUND"
    assert await town.rows("SELECT 1 FROM occupancy.devices WHERE dev_eui = $1", eui) == []


STATES = ("free", "occupied", "reserved", "maintenance", "unknown")
ALLOWED = {
    "free": {"free", "occupied", "reserved", "maintenance"},
    "occupied": {"free", "maintenance", "occupied"},
    "reserved": {"occupied", "free", "maintenance", "reserved"},
    "maintenance": {"free", "maintenance"},
    "unknown": set(STATES),
}


@pytest.mark.parametrize("current", STATES)
async def test_people_move_a_space_along_the_table_unless_forced(town: Platform, current):
    for requested in STATES:
        space_id = await town.space()
        if current != "free":
            await town.command("space.set_state", {"id": space_id, "state": current, "force": True})
        request = {"id": space_id, "state": requested, "reason": "works"}
        reply = await town.command("space.set_state", request)
        if requested in ALLOWED[current]:
            assert reply["state"] == requested
        else:
            assert why(reply)[0] == "INVALID_STATE_TRANSITION"
            assert reply.details == {"current": current, "requested": requested}
            reply = await town.command("space.set_state", request | {"force": True})
            assert reply["state"] == requested
        assert reply["state_layer"] == ("default" if requested == "free" else "override")
        assert reply["state_reason"] == ("no sensor" if requested == "free" else "works")


async def test_free_clears_the_override_and_hides_no_lower_layer(town: Platform):
    eui = town.new_eui()
    space_id = await town.space(eui)
    await town.hear(town.uplink(eui, 1, True))
    await town.command("space.set_state", {"id": space_id, "state": "maintenance", "reason": "blocked"})
    assert await town.state(space_id) == ("maintenance", "override")
    await town.hear(town.uplink(eui, 2, False), town.uplink(eui, 3, True))
    assert await town.state(space_id) == ("maintenance", "override")
    cleared = await town.command("space.set_state", {"id": space_id, "state": "free"})
    assert (cleared["state"], cleared["state_layer"]) == ("occupied", "sensor")


async def test_an_override_runs_out_by_the_clock(town: Platform):
    space_id = await town.space()
    until = datetime.now(UTC) + timedelta(seconds=2)
    set_ = await town.command("space.set_state", {"id": space_id, "state": "maintenance", "until": until})
    assert set_["state"] == "maintenance"

    async def free_again() -> bool:
        return await town.state(space_id) == ("free", "default")

    await eventually(free_again)
    (row,) = await town.rows(
        "SELECT source, cause, changed_at FROM occupancy.state_changes WHERE space_id = $1 AND state = 'free'", space_id
    )
    assert (row["source"], row["cause"]) == ("clock", "clock:until")
    assert row["changed_at"] >= until


@pytest.mark.parametrize("until", ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00", "tomorrow"])
async def test_an_end_in_the_past_or_without_an_offset_is_refused(town: Platform, until):
    space_id = await town.space()
    reply = await town.command("space.set_state", {"id": space_id, "state": "maintenance", "until": until})
    assert why(reply)[0] == "VALIDATION_ERROR"
    assert "until" in reply.message


async def test_sites_are_made_changed_and_taken_away_when_empty(town: Platform):
    created = await town.command(
        "site.create", {"name": "P1", "time_zone": "Europe/Zurich", "latitude": 1, "longitude": 2}
    )
    assert created["time_zone"] == "Europe/Zurich"
    assert why(await town.command("site.create", {"name": "P1", "id": created["id"]})) == ("DUPLICATE_RESOURCE", "id")
    updated = await town.command(
        "site.update", {"id": created["id"], "name": "P2", "latitude": None, "longitude": None}
    )
    assert (updated["name"], updated["latitude"], updated["time_zone"]) == ("P2", None, "Europe/Zurich")
    for change, field in (
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"latitude": 1}, "longitude"),
        ({"name": ""}, "name"),
    ):
        reply = await town.command("site.update", {"id": created["id"]} | change)
        assert why(reply)[0] == "VALIDATION_ERROR"
        assert field in reply.message
    space_id = await town.space(site_id=UUID(created["id"]))
    reply = await town.command("site.delete", {"id": created["id"]})
    assert why(reply)[0] == "RESOURCE_IN_USE"
    assert reply.details == {"live_spaces": 1}
    await town.command("space.delete", {"id": space_id})
    assert (await town.command("site.delete", {"id": created["id"]}))["deleted_at"]
    assert why(await town.command("space.create", body(town, site_id=created["id"])))[0] == "RECORD_NOT_FOUND"
    assert why(await town.command("site.delete", {"id": created["id"]}))[0] == "RECORD_NOT_FOUND"


async def test_a_key_replays_its_answer_and_refuses_another_body(town: Platform):
    envelope = {"idempotency_key": "k1", "body_sha256": "one"}
    request = body(town)
    first = await town.command("space.create", request, **envelope)
    assert await town.command("space.create", request, **envelope) == first
    reply = await town.command("space.create", body(town), idempotency_key="k1", body_sha256="two")
    assert why(reply)[0] == "IDEMPOTENCY_KEY_REUSED"
    other_caller = await town.command("space.create", body(town), **envelope, caller="key:other")
    assert other_caller["id"] != first["id"]


async def test_a_refusal_is_replayed_too(town: Platform):
    envelope = {"idempotency_key": "k1", "body_sha256": "one"}
    unknown = uuid4()
    first = await town.command("space.delete", {"id": unknown}, **envelope)
    assert why(first)[0] == "RECORD_NOT_FOUND"
    await town.space(id=unknown)
    assert await town.command("space.delete", {"id": unknown}, **envelope) == first


async def test_sixteen_simultaneous_requests_with_one_key_have_one_effect(town: Platform):
    envelope = {"idempotency_key": "k16", "body_sha256": "one"}
    request = body(town)
    answers = await asyncio.gather(*(town.command("space.create", request, **envelope) for _ in range(16)))
    assert len({msgspec.json.encode(answer) for answer in answers}) == 1
    assert len(await town.rows("SELECT 1 FROM occupancy.spaces WHERE tenant_id = $1", town.tenant_id)) == 1


async def test_every_change_is_an_event_and_the_versions_of_a_space_follow_each_other(town: Platform):
    eui = town.new_eui()
    space_id = await town.space(eui, zone="north")
    await town.hear(town.uplink(eui, 1, True))
    await town.command("space.update", {"id": space_id, "zone": "south", "sensor_eui": None})
    await town.command("space.set_state", {"id": space_id, "state": "maintenance"})
    await town.command("space.delete", {"id": space_id})
    messages = await town.published(f"parking.v1.space.{town.tenant_id}.{space_id}.>")
    names = [message.subject.rpartition(".")[2] for message in messages]
    events = [msgspec.json.decode(message.data) for message in messages]
    assert names == ["created", "state_changed", "updated", "state_changed", "state_changed", "deleted"]
    versions = [event.get("version") or event["space"]["version"] for event in events]
    assert versions == list(range(1, 7))
    assert [event.get("zone") or event["space"]["zone"] for event in events] == ["north"] * 2 + ["south"] * 4
    for earlier, later in itertools.pairwise([event for event in events if "previous" in event]):
        assert later["previous"] == earlier["state"]


async def test_a_body_that_is_no_command_is_refused(town: Platform):
    for request in (b"", b"not json", b"[]", b"{}", b'{"tenant_id": 1}', b"\xff\xfe"):
        answer = await town.bus.request(subjects.command("occupancy", "space.create"), request, timeout=5)
        assert msgspec.json.decode(answer.data)["code"] == "VALIDATION_ERROR"
