"""Rows of a file become sites, spaces and devices by the rules of the commands, each with its own fate."""

import time
from uuid import UUID, uuid4

import pytest

from parking_contracts.errors import Refusal
from stack.platform import Platform

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def apply(town: Platform, kind: str, *rows: dict, **options):
    """Import rows; the header is line 1, so the first row is line 2."""
    numbered = [{"line": number, "cells": cells} for number, cells in enumerate(rows, 2)]
    return await town.command("import.apply", {"kind": kind, "rows": numbered, "on_error": "skip", **options})


def outcomes(answer) -> list[str]:
    return [fate["outcome"] for fate in answer["rows"]]


async def spaces_of(town: Platform) -> dict[str, dict]:
    query = "SELECT * FROM occupancy.spaces WHERE tenant_id = $1 AND deleted_at IS NULL"
    return {row["code"]: dict(row) for row in await town.rows(query, town.tenant_id)}


async def test_spaces_are_created_updated_and_left_alone(town: Platform) -> None:
    eui = town.new_eui()
    first = {
        "site": "Street",
        "code": "A1",
        "name": "Bay 1",
        "kind": "EV",
        "floor": "-1",
        "zone": "",
        "latitude": "-37.8136",
        "longitude": "1.449631e2",
        "sensor_eui": eui.upper(),
        "metadata": '{"width_m": 2.5}',
    }
    second = {"site_id": str(town.site_id), "code": "A2", "name": "Bay, 2"}
    made = await apply(town, "spaces", first, second)
    assert (made["applied"], outcomes(made)) == (True, ["created", "created"])
    assert [fate["line"] for fate in made["rows"]] == [2, 3]
    found = await spaces_of(town)
    assert {UUID(fate["id"]) for fate in made["rows"]} == {row["id"] for row in found.values()}
    one = found["A1"]
    assert (one["kind"], one["floor"], one["zone"], one["sensor_eui"]) == ("ev", "-1", None, eui)
    assert (one["latitude"], one["longitude"]) == (-37.8136, 144.9631)

    versions = {code: row["version"] for code, row in found.items()}
    again = await apply(town, "spaces", first, second)
    assert outcomes(again) == ["unchanged", "unchanged"]
    assert {code: row["version"] for code, row in (await spaces_of(town)).items()} == versions

    changed = await apply(town, "spaces", first | {"zone": "North", "sensor_eui": ""}, second)
    assert outcomes(changed) == ["updated", "unchanged"]
    one = (await spaces_of(town))["A1"]
    assert (one["zone"], one["sensor_eui"], one["name"]) == ("North", None, "Bay 1")
    published = await town.published(f"parking.v1.space.{town.tenant_id}.{one['id']}.*")
    assert [message.subject.rpartition(".")[2] for message in published][:2] == ["created", "updated"]


async def test_a_refused_row_says_why_and_the_others_stand(town: Platform) -> None:
    eui = town.new_eui()
    await town.space(eui)
    base = {"site": "Street", "name": "Bay"}
    refused = {
        "site": {"code": "X", "name": "Bay"},
        "code": base,
        "name": {"site": "Street", "code": "X"},
        "kind": {**base, "code": "X", "kind": "boat"},
        "latitude": {**base, "code": "X", "longitude": "1"},
        "longitude": {**base, "code": "X", "latitude": "1", "longitude": "181"},
        "sensor_eui": {**base, "code": "X", "sensor_eui": eui},
        "display_eui": {**base, "code": "X", "display_eui": "xyz"},
        "metadata": {**base, "code": "X", "metadata": "[1]"},
        "zone": {**base, "code": "X", "zone": "z" * 51},
    }
    answer = await apply(town, "spaces", *refused.values(), {**base, "code": "good"})
    assert [fate["field"] for fate in answer["rows"]] == [*refused, None]
    assert outcomes(answer) == ["refused"] * len(refused) + ["created"]
    by_field = {fate["field"]: fate for fate in answer["rows"]}
    assert by_field["sensor_eui"]["code"] == "DUPLICATE_RESOURCE"
    assert by_field["kind"]["code"] == "VALIDATION_ERROR"
    assert "good" in await spaces_of(town)
    assert "X" not in await spaces_of(town)
    nowhere = await apply(town, "spaces", {"site": "Nowhere", "code": "X", "name": "Bay"})
    assert nowhere["rows"][0]["code"] == "RECORD_NOT_FOUND"


async def test_a_dry_run_tells_the_fates_of_a_real_run_and_keeps_nothing(town: Platform) -> None:
    eui = town.new_eui()
    rows = [
        {"site": "Street", "code": "D1", "name": "Bay", "sensor_eui": eui},
        {"site": "Street", "code": "D2", "name": "Bay", "sensor_eui": eui},
        {"site": "Street", "code": "D1", "name": "Bay one"},
        {"site": "Street", "code": "D1", "name": "Bay one"},
    ]
    before = await town.rows("SELECT count(*) AS n FROM occupancy.outbox")
    dry = await apply(town, "spaces", *rows, dry_run=True)
    assert not dry["applied"]
    assert await spaces_of(town) == {}
    assert not await town.rows("SELECT 1 FROM occupancy.devices WHERE dev_eui = $1", eui)
    assert (await town.rows("SELECT count(*) AS n FROM occupancy.outbox"))[0]["n"] <= before[0]["n"]
    real = await apply(town, "spaces", *rows)
    assert outcomes(dry) == outcomes(real) == ["created", "refused", "updated", "unchanged"]
    assert [fate["code"] for fate in dry["rows"]] == [fate["code"] for fate in real["rows"]]


async def test_on_error_stop_undoes_what_came_before(town: Platform) -> None:
    rows = [
        {"site": "Street", "code": "S1", "name": "Bay"},
        {"site": "Street", "code": "S2"},
        {"site": "Street", "code": "S3", "name": "Bay"},
    ]
    answer = await apply(town, "spaces", *rows, on_error="stop")
    assert (answer["applied"], outcomes(answer)) == (False, ["created", "refused"])
    assert await spaces_of(town) == {}


async def test_sites_are_found_by_name_or_by_id_where_several_have_it(town: Platform) -> None:
    rows = [{"name": "Harbour", "time_zone": "Europe/Berlin"}, {"name": "Hill", "time_zone": ""}]
    made = await apply(town, "sites", *rows)
    assert outcomes(made) == ["created", "created"]
    assert outcomes(await apply(town, "sites", *rows)) == ["unchanged", "unchanged"]
    moved = await apply(town, "sites", {"name": "Harbour", "latitude": "1", "longitude": "2"})
    assert outcomes(moved) == ["updated"]
    chosen = str(uuid4())
    twin = await town.command("site.create", {"name": "Hill", "id": chosen})
    assert twin["id"] == chosen
    answer = await apply(
        town,
        "sites",
        {"name": "Hill", "time_zone": "Asia/Tokyo"},
        {"id": chosen, "name": "Hill", "time_zone": "Asia/Tokyo"},
        {"id": str(uuid4()), "name": "New"},
        {"id": "x", "name": "Newer"},
        {"name": "Harbour", "time_zone": "Mars/Olympus"},
        {"name": ""},
    )
    assert outcomes(answer) == ["refused", "updated", "created", "refused", "refused", "refused"]
    assert [fate["field"] for fate in answer["rows"]] == ["site", None, None, "id", "time_zone", "name"]
    spaces = await apply(
        town,
        "spaces",
        {"site": "Hill", "code": "1", "name": "Bay"},
        {"site": chosen, "code": "1", "name": "Bay"},
    )
    assert [fate["code"] for fate in spaces["rows"]] == ["DUPLICATE_RESOURCE", None]


async def test_devices_are_found_by_their_deveui(town: Platform) -> None:
    eui, other = town.new_eui(), town.new_eui()
    rows = [
        {"dev_eui": eui, "name": "bay-17", "codec": "bosch_tps110", "heartbeat_seconds": "3600"},
        {"dev_eui": other, "confirm_seconds": "5"},
        {"dev_eui": "xyz"},
        {"dev_eui": town.new_eui(), "codec": "none such"},
        {"dev_eui": town.new_eui(), "heartbeat_seconds": "9"},
        {"dev_eui": town.new_eui(), "heartbeat_seconds": "1.5"},
        {"dev_eui": ""},
    ]
    answer = await apply(town, "devices", *rows)
    assert outcomes(answer) == ["created", "created", *["refused"] * 5]
    assert [fate["field"] for fate in answer["rows"][2:]] == [
        *("dev_eui", "codec", "heartbeat_seconds", "heartbeat_seconds", "dev_eui")
    ]
    assert answer["rows"][0]["id"] == eui
    again = await apply(town, "devices", rows[0], {**rows[1], "confirm_seconds": ""})
    assert outcomes(again) == ["unchanged", "updated"]


async def test_an_unknown_column_is_no_import(town: Platform) -> None:
    refusal = await apply(town, "spaces", {"site": "Street", "code": "1", "colour": "red"})
    assert isinstance(refusal, Refusal)
    assert "colour" in refusal.message


async def test_another_tenants_names_mean_nothing_here(town: Platform, city) -> None:
    other = await city.town()
    await apply(other, "sites", {"name": "Elsewhere"})
    answer = await apply(town, "spaces", {"site": "Elsewhere", "code": "1", "name": "Bay"})
    assert answer["rows"][0]["code"] == "RECORD_NOT_FOUND"
    answer = await apply(town, "spaces", {"site_id": str(other.site_id), "code": "1", "name": "Bay"})
    assert answer["rows"][0]["code"] == "RECORD_NOT_FOUND"


async def test_a_retry_with_the_same_key_answers_as_the_first_time(town: Platform) -> None:
    row = {"line": 2, "cells": {"site": "Street", "code": "K1", "name": "Bay"}}
    envelope = {"idempotency_key": "import-1", "body_sha256": "a" * 64}
    body = {"kind": "spaces", "rows": [row]}
    first = await town.command("import.apply", body, **envelope)
    assert await town.command("import.apply", body, **envelope) == first
    assert outcomes(first) == ["created"]


async def test_hundreds_of_rows_are_taken_in_one_answer(town: Platform) -> None:
    rows = [
        {"site": "Street", "code": f"T{number}", "name": f"Bay {number}", "sensor_eui": town.new_eui()}
        for number in range(300)
    ]
    began = time.monotonic()
    assert set(outcomes(await apply(town, "spaces", *rows))) == {"created"}
    created = time.monotonic() - began
    began = time.monotonic()
    assert set(outcomes(await apply(town, "spaces", *rows))) == {"unchanged"}
    print(f"300 spaces with sensors: {created:.1f} s, again {time.monotonic() - began:.1f} s")  # noqa: T201
