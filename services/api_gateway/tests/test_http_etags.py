"""ETag and If-Match: a change is made to what the client has seen, or refused; without If-Match it is just made."""

import uuid
from datetime import UTC, datetime

import pytest
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.http.etags import Precondition, _precondition, etag_of
from api_gateway.http.problems import ProblemError


@pytest.fixture(scope="module")
def stand(shared_gateway):
    return shared_gateway


@pytest.fixture
async def engine(run_service, service_env, gateway):
    """The real owner of sites and spaces."""
    return await run_service("occupancy_engine", service_env)


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001  the zone is drawn
def test_a_moment_comes_back_as_it_went(moment: datetime) -> None:
    assert Precondition(etag_of(moment)).moment == moment


@given(st.integers(0, 2**63 - 1))
def test_a_version_comes_back_as_it_went(version: int) -> None:
    assert Precondition(etag_of(version)).version == version


def test_a_star_and_nothing_match_whatever_there_is() -> None:
    for tag in (None, "*"):
        assert Precondition(tag).moment is None
        assert Precondition(tag).version is None


NEVER = [
    'W/"7"',
    '""',
    '"abc"',
    '"07"',
    '"-1"',
    '"9223372036854775808"',
    '"99999999999999999999"',
    '"7!"',
]


@pytest.mark.parametrize("tag", NEVER)
def test_a_tag_that_is_weak_or_none_of_ours_never_matches(tag: str) -> None:
    with pytest.raises(ProblemError) as refused:
        _ = _precondition(tag).moment
    assert refused.value.status_code == 412


@pytest.mark.parametrize("tag", ["7", '"7', '7"', "W/7", '"a b"', '"1", "2"', "**", "", 'w/"7"', '"\u00e9"'])
def test_a_tag_that_is_malformed_is_refused(tag: str) -> None:
    with pytest.raises(RequestValidationError) as refused:
        _precondition(tag)
    assert refused.value.errors()[0]["loc"] == ("header", "If-Match")


def test_a_moment_beyond_all_dates_never_matches() -> None:
    with pytest.raises(ProblemError):
        _ = Precondition(f'"{2**63 - 1}"').moment


async def test_a_site_is_changed_by_the_one_who_saw_it_last(api, engine) -> None:
    made = await api.post("/api/v6/sites", json={"name": "Market Square"})
    path, first = made.headers["location"], made.headers["etag"]
    read = await api.get(path)
    assert read.headers["etag"] == first
    changed = await api.patch(path, json={"name": "Old Market"}, headers={"If-Match": first})
    assert changed.status_code == 200
    assert changed.headers["etag"] == (await api.get(path)).headers["etag"] != first
    late = await api.patch(path, json={"name": "New Market"}, headers={"If-Match": first})
    assert (late.status_code, late.json()["code"]) == (412, "PRECONDITION_FAILED")
    for tag, status in ((f"W/{changed.headers['etag']}", 412), ("*", 200), ("nonsense", 422)):
        answer = await api.patch(path, json={"time_zone": "Europe/Berlin"}, headers={"If-Match": tag})
        assert (tag, answer.status_code) == (tag, status)
    assert (await api.delete(path, headers={"If-Match": first})).status_code == 412
    assert (await api.delete(path)).status_code == 204


async def test_a_space_keeps_its_tag_while_its_state_changes(api, engine) -> None:
    site = (await api.post("/api/v6/sites", json={"name": "Market Square"})).json()["id"]
    body = {"site_id": site, "name": "Bay", "code": "A1"}
    made = await api.post("/api/v6/spaces", json=body)
    path, tag = made.headers["location"], made.headers["etag"]
    closed = await api.put(f"{path}/state", json={"state": "maintenance"})
    assert (closed.json()["state"], closed.headers["etag"]) == ("maintenance", tag)
    replaced = await api.put(path, json={**body, "name": "Bay 1"}, headers={"If-Match": tag})
    assert (replaced.status_code, replaced.json()["state"]) == (200, "maintenance")
    assert (await api.put(path, json=body, headers={"If-Match": tag})).status_code == 412
    assert (await api.patch(path, json={"zone": "a"}, headers={"If-Match": tag})).status_code == 412
    assert (await api.delete(path, headers={"If-Match": tag})).status_code == 412
    assert (await api.get(path)).json()["name"] == "Bay 1"
    newest = (await api.get(path)).headers["etag"]
    assert (await api.delete(path, headers={"If-Match": newest})).status_code == 204
    gone = await api.patch(f"/api/v6/spaces/{uuid.uuid4()}", json={}, headers={"If-Match": "*"})
    assert gone.status_code == 404


async def test_an_application_is_bound_to_the_tenant_that_the_admin_names(api, engine, registry) -> None:
    other = await registry.tenant("other")
    binding = {"source": "mqtt", "application_id": "a1", "tenant_id": str(other)}
    for _ in range(2):
        assert (await api.post("/api/v6/applications", json=binding)).status_code == 201
    bound = (await api.get(f"/api/v6/applications?tenant={other}")).json()
    assert [(one["application_id"], one["tenant_id"]) for one in bound["items"]] == [("a1", str(other))]
    mine = await api.post("/api/v6/applications", json={"source": "mqtt", "application_id": "a1"})
    assert (mine.status_code, mine.json()["code"]) == (409, "RESOURCE_IN_USE")
    for key in ({}, {"request_id": "k1"}):
        nobody = {**binding, "application_id": "a2", "tenant_id": str(uuid.uuid4()), **key}
        answer = await api.post("/api/v6/applications", json=nobody)
        assert (answer.status_code, answer.json()["code"]) == (404, "RECORD_NOT_FOUND"), answer.text
    target = {"source": "mqtt", "application_id": "a1"}
    assert (await api.delete("/api/v6/applications", params=target)).status_code == 404
    assert (await api.delete("/api/v6/applications", params={**target, "tenant": str(other)})).status_code == 204
