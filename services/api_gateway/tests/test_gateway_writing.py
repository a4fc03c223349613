"""Changes become commands for their owner: what it is asked, and what its answers become over HTTP."""

import uuid

import pytest

from parking_contracts.errors import ErrorCode, Refusal
from stack.waiting import eventually

EUI = "70b3d57ed0061a2b"


@pytest.fixture(scope="module")
def stand(shared_gateway):
    return shared_gateway


@pytest.fixture(scope="module")
def gateway_settings():
    # Every command of this module that is answered must be answered within it.
    return {"PARKSTREAM_COMMAND_SECONDS": "2"}


async def test_a_space_is_created_with_the_callers_tenant_and_key(api, answer_command, space_view, tenant_id) -> None:
    asked = await answer_command("space.create", lambda command: space_view(tenant_id, **command["body"]))
    body = {"site_id": str(uuid.uuid4()), "name": "Bay", "code": "A1", "sensor_eui": "70-B3-D5-7E-D0-06-1A-2B"}
    chosen = {**body, "id": str(uuid.uuid4()), "latitude": 1, "longitude": 2}
    answer = await api.post("/api/v6/spaces", json=chosen, headers={"Idempotency-Key": "k1", "X-Request-Id": "r1"})
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v6/spaces/{chosen['id']}"
    assert (await api.post("/api/v6/spaces", json={**chosen, "request_id": "k1"})).status_code == 201
    assert (await api.post("/api/v6/spaces", json={**chosen, "name": "Other"})).status_code == 201
    first, second, third = asked
    caller = f"key:{api.headers['X-API-Key'].split('_')[1]}"
    assert (first["tenant_id"], first["caller"], first["request_id"]) == (str(tenant_id), caller, "r1")
    assert first["body"]["sensor_eui"] == EUI
    assert [one["idempotency_key"] for one in asked] == ["k1", "k1", None]
    assert first["body_sha256"] == second["body_sha256"] != third["body_sha256"]
    both = await api.post("/api/v6/spaces", json={**body, "request_id": "k2"}, headers={"Idempotency-Key": "k1"})
    assert both.status_code == 422


async def test_a_partial_update_names_just_what_changes(api, answer_command, space_view, tenant_id, subtests) -> None:
    asked = await answer_command("space.update", lambda command: space_view(tenant_id))
    space_id = str(uuid.uuid4())
    accepted = (
        {"zone": None},
        {"name": "New", "metadata": {}},
        {"latitude": 1.5, "longitude": 2.5},
        {"latitude": None, "longitude": None},
        {},
    )
    for changes in accepted:
        with subtests.test(changes=changes):
            assert (await api.patch(f"/api/v6/spaces/{space_id}", json=changes)).status_code == 200
            assert asked[-1]["body"] == {"id": space_id, "revision": None, **changes}
    refused = (
        {"latitude": 1.5},
        {"latitude": None},
        {"latitude": 1.5, "longitude": None},
        {"name": None},
        {"kind": None},
        {"metadata": None},
        {"site_id": None},
        {"id": space_id},
    )
    for changes in refused:
        with subtests.test(changes=changes):
            assert (await api.patch(f"/api/v6/spaces/{space_id}", json=changes)).status_code == 422


async def test_a_full_update_names_every_field(api, answer_command, space_view, tenant_id) -> None:
    asked = await answer_command("space.update", lambda command: space_view(tenant_id))
    body = {"site_id": str(uuid.uuid4()), "name": "Bay", "code": "A1"}
    assert (await api.put(f"/api/v6/spaces/{uuid.uuid4()}", json=body)).status_code == 200
    assert len(asked[0]["body"]) == 14
    assert asked[0]["body"]["latitude"] is asked[0]["body"]["zone"] is None


async def test_a_state_in_any_case_and_forced_by_an_admin_alone(
    api, answer_command, space_view, tenant_id, registry
) -> None:
    asked = await answer_command("space.set_state", lambda command: space_view(tenant_id))
    path = f"/api/v6/spaces/{uuid.uuid4()}/state"
    body = {"state": "Maintenance", "reason": "paint", "until": "2030-01-01T00:00:00+01:00", "force": True}
    assert (await api.put(path, json=body)).status_code == 200
    assert (asked[0]["body"]["state"], asked[0]["body"]["force"]) == ("maintenance", True)
    operator = {"X-API-Key": await registry.key(tenant_id, "spaces:write")}
    assert (await api.put(path, json=body, headers=operator)).status_code == 403
    assert (await api.put(path, json={"state": "free"}, headers=operator)).status_code == 200
    admin = {"X-API-Key": await registry.key(tenant_id, "*")}
    assert (await api.put(path, json=body, headers=admin)).status_code == 200
    for bad in (
        {"state": "gone"},
        {"state": "free", "until": "2030-01-01T00:00:00"},
        {"state": "free", "force": "yes"},
    ):
        assert (await api.put(path, json=bad)).status_code == 422
    assert len(asked) == 3


STATUSES = {
    ErrorCode.INVALID_STATE_TRANSITION: 409,
    ErrorCode.RECORD_NOT_FOUND: 404,
    ErrorCode.DUPLICATE_RESOURCE: 409,
    ErrorCode.RESOURCE_IN_USE: 409,
    ErrorCode.VALIDATION_ERROR: 422,
    ErrorCode.IDEMPOTENCY_KEY_REUSED: 422,
    ErrorCode.REQUEST_IN_FLIGHT: 409,
    ErrorCode.DEPENDENCY_UNAVAILABLE: 503,
    ErrorCode.CHIRPSTACK_ERROR: 502,
}


async def test_every_refusal_becomes_its_problem(api, answer_command, subtests) -> None:
    answers = iter(STATUSES)
    details = {"current": "free", "requested": "unknown"}
    await answer_command("space.delete", lambda _: Refusal(code=next(answers), message="because", details=details))
    for code, status in STATUSES.items():
        with subtests.test(str(code)):
            answer = await api.delete(f"/api/v6/spaces/{uuid.uuid4()}")
            problem = answer.json()
            assert (answer.status_code, problem["code"], problem["message"]) == (status, code, "because")
            assert problem["details"] == details
            assert ("retry-after" in answer.headers) == (status == 503)


async def test_no_owner_is_503_and_a_silent_one_504(api, answer_command) -> None:
    nobody = await api.delete(f"/api/v6/sites/{uuid.uuid4()}")
    assert (nobody.status_code, nobody.json()["code"]) == (503, "DEPENDENCY_UNAVAILABLE")
    assert nobody.headers["retry-after"] == "5"
    asked = await answer_command("site.delete", lambda _: None)
    silent = await api.delete(f"/api/v6/sites/{uuid.uuid4()}")
    assert (silent.status_code, silent.json()["code"]) == (504, "TIMEOUT")
    assert len(asked) == 1


async def test_an_answer_that_makes_no_sense_is_500_and_tells_nothing(api, answer_command, gateway) -> None:
    await answer_command("site.create", lambda _: {"password": "geheim"})
    answer = await api.post("/api/v6/sites", json={"name": "x"}, headers={"X-Request-Id": "find-me"})
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    assert "geheim" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    await eventually(lambda: "find-me" in gateway.log.read_text())


async def test_devices_and_applications_are_commands_too(api, answer_command, registry, tenant_id) -> None:
    await registry.device(tenant_id, EUI)
    register = await answer_command("device.register", lambda _: {})
    assign = await answer_command("device.assign", lambda _: {})
    redecode = await answer_command("device.redecode", lambda _: {"readings": 3, "changed": 1, "stays_changed": 0})
    bind = await answer_command("application.bind", lambda _: {"frames_taken_in": 7})
    unbind = await answer_command("application.unbind", lambda _: True)
    device = await api.put(f"/api/v6/devices/{EUI.upper()}", json={"codec": None, "name": "Bay 1"})
    assert device.json()["dev_eui"] == EUI
    assert register[0]["body"] == {"dev_eui": EUI, "codec": None, "name": "Bay 1"}
    assert (await api.put(f"/api/v6/devices/{EUI}/assignment", json={"space_id": None})).status_code == 200
    assert assign[0]["body"] == {"dev_eui": EUI, "space_id": None}
    assert (await api.post(f"/api/v6/devices/{EUI}/redecode", json={})).json()["changed"] == 1
    assert redecode[0]["body"] == {"dev_eui": EUI, "since": None}
    bound = await api.post("/api/v6/applications", json={"source": "mqtt", "application_id": "a1"})
    assert (bound.status_code, bound.json()) == (201, {"frames_taken_in": 7})
    assert bind[0]["body"]["clock"] == "live"
    unbound = await api.delete("/api/v6/applications", params={"source": "mqtt", "application_id": "a1"})
    assert (unbound.status_code, unbind[0]["body"]) == (204, {"source": "mqtt", "application_id": "a1"})
    tenant_admin = {"X-API-Key": await registry.key(tenant_id, "*")}
    assert (await api.post("/api/v6/applications", json={}, headers=tenant_admin)).status_code in (403, 422)
    full = {"source": "mqtt", "application_id": "a1"}
    assert (await api.post("/api/v6/applications", json=full, headers=tenant_admin)).status_code == 403
