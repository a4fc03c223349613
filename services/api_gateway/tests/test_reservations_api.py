"""Reservations over HTTP, through a real gateway, reservation service and engine."""

import asyncio
import itertools
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from parkstream.embedded import child
from parkstream.streams import apply_streams
from stack.http_client import http_client
from stack.servers import NatsAccount, fresh_database
from stack.services import Service
from stack.waiting import eventually

NUMBERS = itertools.count(1)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ADA = {"email": "Ada@Example.org", "phone": "+41791234567", "metadata": {"plate": "ZH 1"}}


def at(delta: timedelta) -> str:
    return (datetime.now(UTC) + delta).isoformat()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def database(postgres_server, migrated_template) -> AsyncIterator[str]:
    """One database for the module; each test has a tenant of its own."""
    async for url in fresh_database(postgres_server, migrated_template):
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nats_account(nats_pool) -> NatsAccount:
    account = nats_pool.account()
    await apply_streams(account.url)
    return account


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(database, nats_account) -> AsyncIterator[dict[str, Service]]:
    """A gateway and the reservations' owner."""
    environment = {
        "PARKSTREAM_DATABASE_URL": database,
        "PARKSTREAM_NATS_URL": nats_account.url,
        "PARKSTREAM_BOOTSTRAP_API_KEY": f"pk_bootstrap01_{'s' * 43}",
        "PARKSTREAM_COMMAND_SECONDS": "3",
        "PARKSTREAM_RESERVATION_CLOCK_SECONDS": "60",
    }
    with tempfile.TemporaryDirectory(prefix="parkstream-reservations-api-") as logs:
        running = {
            name: Service(name, environment, Path(logs) / f"{name}.log")
            for name in ("api_gateway", "reservation_service")
        }
        for service in running.values():
            await service.start(ready=False)
        for service in running.values():
            await service.wait_ready(60)
        yield running
        for service in running.values():
            service.end()
            print(f"--- log of {service.module}\n{child.last_lines(service.log, 100)}")  # noqa: T201  pytest shows it


@pytest.fixture
def gateway(services) -> Service:
    return services["api_gateway"]


@pytest.fixture
def registry(registry):
    """The tests share a database, so they count on."""
    registry.numbers = NUMBERS
    return registry


@pytest.fixture
async def tenant_id(registry) -> uuid.UUID:
    return await registry.tenant(f"tenant {uuid.uuid4()}")


@pytest.fixture
async def api(gateway, registry, tenant_id) -> AsyncIterator[httpx.AsyncClient]:
    """An admin of the test's tenant."""
    headers = {"X-API-Key": await registry.key(tenant_id, "*")}
    async with http_client(base_url=gateway.url, headers=headers, timeout=20) as client:
        yield client


@pytest.fixture
async def space_id(registry, tenant_id) -> uuid.UUID:
    return await registry.space(tenant_id, await registry.site(tenant_id))


@pytest.fixture
def booking(space_id) -> dict:
    return {"space_id": str(space_id), "starts_at": at(HOUR), "ends_at": at(2 * HOUR), **ADA}


PATH = "/api/v6/reservations"


async def test_a_reservation_is_booked_read_changed_and_cancelled(api, booking) -> None:
    made = await api.post(PATH, json=booking)
    assert made.status_code == 201, made.text
    address = made.headers["location"]
    read = await api.get(address)
    assert read.json() == made.json()
    assert read.headers["etag"] == made.headers["etag"] == '"1"'
    assert {name: read.json()[name] for name in ADA} == ADA
    longer = await api.patch(address, json={"ends_at": at(3 * HOUR), "phone": None}, headers={"If-Match": '"1"'})
    assert (longer.status_code, longer.headers["etag"], longer.json()["phone"]) == (200, '"2"', None)
    stale = await api.patch(address, json={"email": None}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "PRECONDITION_FAILED")
    gone = await api.put(f"{address}/cancel", json={"reason": "rain"})
    assert (gone.status_code, gone.json()["status"], gone.json()["cancel_reason"]) == (200, "cancelled", "rain")
    again = await api.put(f"{address}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "RESERVATION_NOT_ACTIVE")
    assert again.json()["details"] == {"status": "cancelled"}


async def test_what_is_taken_is_409_with_times_and_nothing_about_anybody(api, booking) -> None:
    await api.post(PATH, json=booking)
    refused = await api.post(PATH, json={**booking, "email": "bob@example.org"})
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (409, "SPACE_NOT_AVAILABLE")
    (conflict,) = problem["details"]["conflicts"]
    assert datetime.fromisoformat(conflict["starts_at"]) == datetime.fromisoformat(booking["starts_at"])
    assert "Ada" not in refused.text


async def test_any_free_space_of_a_site_is_booked(api, booking, registry, tenant_id) -> None:
    site_id = await registry.site(tenant_id)
    wanted = await registry.space(tenant_id, site_id, zone="north", kind="ev")
    await registry.space(tenant_id, site_id, zone="south", kind="ev")
    body = {**booking, "site_id": str(site_id), "zone": "north", "kind": "ev"}
    del body["space_id"]
    assert (await api.post(PATH, json=body)).json()["space_id"] == str(wanted)
    full = await api.post(PATH, json=body)
    assert (full.status_code, full.json()["code"]) == (409, "SPACE_NOT_AVAILABLE")


async def test_the_list_filters_and_pages_newest_first(api, booking, registry, tenant_id) -> None:
    other = str(await registry.space(tenant_id, await registry.site(tenant_id)))
    hours = [(1, 2, booking["space_id"]), (3, 4, booking["space_id"]), (5, 6, other)]
    for start, end, space in hours:
        body = {**booking, "space_id": space, "starts_at": at(start * HOUR), "ends_at": at(end * HOUR)}
        assert (await api.post(PATH, json=body)).status_code == 201
    newest = (await api.get(PATH)).json()
    assert newest["total"] == 3
    starts = [item["starts_at"] for item in newest["items"]]
    assert starts == sorted(starts, reverse=True)
    await api.put(f"{PATH}/{newest['items'][0]['id']}/cancel")
    for query, total in (
        ({"space": other}, 1),
        ({"email": "ada@EXAMPLE.org"}, 3),
        ({"email": "bob@example.org"}, 0),
        ({"status": "active"}, 2),
        ({"from": at(2.5 * HOUR)}, 2),
        ({"from": at(2.5 * HOUR), "to": at(3.5 * HOUR)}, 1),
        ({"to": at(HOUR / 2)}, 0),
        ({"status": "active", "space": other}, 0),
    ):
        assert (await api.get(PATH, params=query)).json()["total"] == total, query
    page = (await api.get(PATH, params={"limit": 1, "offset": 1})).json()
    assert [item["id"] for item in page["items"]] == [newest["items"][1]["id"]]
    for bad in ({"status": "gone"}, {"email": "nobody"}, {"from": at(HOUR), "to": at(MINUTE)}, {"from": "0001-01-01"}):
        assert (await api.get(PATH, params=bad)).status_code == 422, bad


async def test_availability_is_told_at_both_addresses(api, booking) -> None:
    await api.post(PATH, json=booking)
    space_id = booking["space_id"]
    for path in (f"{PATH}/{space_id}/check-availability", f"/api/v6/spaces/{space_id}/availability"):
        taken = (await api.post(path, json={"starts_at": at(HOUR), "ends_at": at(1.5 * HOUR)})).json()
        assert (taken["available"], len(taken["conflicts"]), taken["state"]) == (False, 1, "free")
        free = (await api.post(path, json={"starts_at": at(3 * HOUR), "ends_at": at(4 * HOUR)})).json()
        assert (free["available"], free["conflicts"]) == (True, [])
    unknown = await api.post(
        f"/api/v6/spaces/{uuid.uuid4()}/availability", json={"starts_at": at(HOUR), "ends_at": at(2 * HOUR)}
    )
    assert (unknown.status_code, unknown.json()["code"]) == (404, "RECORD_NOT_FOUND")


async def test_check_in_needs_an_open_window_and_the_clock_can_be_asked_to_run(api, booking, sql, tenant_id) -> None:
    later = (await api.post(PATH, json=booking)).json()
    early = await api.post(f"{PATH}/{later['id']}/check-in")
    assert (early.status_code, early.json()["code"]) == (409, "RESERVATION_NOT_OPEN")
    held = (await api.post(PATH, json={**booking, "starts_at": at(MINUTE), "ends_at": at(30 * MINUTE)})).json()
    assert held["opened_at"]
    fixed = await api.patch(f"{PATH}/{held['id']}", json={"starts_at": at(5 * MINUTE)})
    assert (fixed.status_code, fixed.json()["code"]) == (409, "RESERVATION_OPEN")
    present = await api.post(f"{PATH}/{held['id']}/check-in")
    assert (present.status_code, present.json()["checked_in_by"]) == (200, "api")
    nothing = await api.post(f"{PATH}/expire-old")
    assert nothing.json() == {"opened": 0, "no_shows": 0, "completed": 0, "pruned": 0}
    past = "starts_at = starts_at - interval '2 hours', ends_at = ends_at - interval '2 hours'"
    await sql.execute(f"UPDATE reservation.reservations SET {past} WHERE tenant_id = $1", tenant_id)
    assert (await api.post(f"{PATH}/expire-old")).json()["completed"] == 2


BAD = (
    {"space_id": None},
    {"site_id": str(uuid.uuid4())},
    {"zone": "north"},
    {"starts_at": "2030-01-01T00:00:00"},
    {"starts_at": "9999-12-31T23:59:59-14:00"},
    {"ends_at": at(-HOUR)},
    {"ends_at": at(26 * HOUR)},
    {"email": "nobody"},
    {"email": "a@" + "b" * 254},
    {"phone": "0791234567"},
    {"phone": "+41 79 123"},
    {"metadata": {"a": "b" * 20_000}},
    {"surprise": 1},
)


async def test_bad_input_is_422(api, booking, subtests) -> None:
    for changes in BAD:
        with subtests.test(changes=str(changes)[:60]):
            answer = await api.post(PATH, json={**booking, **changes})
            assert (answer.status_code, answer.json()["code"]) == (422, "VALIDATION_ERROR"), answer.text


async def test_people_are_shown_to_those_who_may_read_and_to_no_other_tenant(api, booking, registry, tenant_id) -> None:
    made = (await api.post(PATH, json=booking)).json()
    writer = {"X-API-Key": await registry.key(tenant_id, "reservations:write")}
    blind = (await api.patch(f"{PATH}/{made['id']}", json={"metadata": {"a": 1}}, headers=writer)).json()
    assert (blind["email"], blind["phone"], blind["metadata"]) == (None, None, {})
    assert (await api.get(f"{PATH}/{made['id']}", headers=writer)).status_code == 403
    reader = {"X-API-Key": await registry.key(tenant_id, "reservations:read")}
    assert (await api.get(f"{PATH}/{made['id']}", headers=reader)).json()["email"] == ADA["email"]
    assert (await api.post(PATH, json=booking, headers=reader)).status_code == 403
    assert (await api.post("/api/v6/privacy/export", json=ADA, headers=reader)).status_code == 403
    stranger = {"X-API-Key": await registry.key(await registry.tenant("stranger"), "*")}
    assert (await api.get(f"{PATH}/{made['id']}", headers=stranger)).status_code == 404
    assert (await api.get(PATH, headers=stranger)).json()["total"] == 0
    assert (await api.put(f"{PATH}/{made['id']}/cancel", headers=stranger)).status_code == 404
    assert (await api.post(PATH, json=booking, headers=stranger)).status_code == 404


async def test_a_person_is_exported_and_erased(api, booking) -> None:
    made = (await api.post(PATH, json=booking)).json()
    person = {"email": "ADA@example.org"}
    exported = (await api.post("/api/v6/privacy/export", json=person)).json()
    assert [one["id"] for one in exported["reservations"]] == [made["id"]]
    assert (await api.post("/api/v6/privacy/erase", json=person)).json() == {"reservations": 1}
    forgotten = (await api.get(f"{PATH}/{made['id']}")).json()
    assert (forgotten["email"], forgotten["phone"], forgotten["metadata"]) == (None, None, {})
    assert forgotten["status"] == "active"
    assert (await api.post("/api/v6/privacy/export", json=person)).json() == {"reservations": []}
    assert (await api.post("/api/v6/privacy/erase", json={})).status_code == 422


async def test_a_retry_after_504_books_once(api, booking, services) -> None:
    owner = services["reservation_service"].process
    key = {"Idempotency-Key": "book-1"}
    owner.send_signal(signal.SIGSTOP)
    try:
        late = await api.post(PATH, json=booking, headers=key)
        assert (late.status_code, late.json()["code"]) == (504, "TIMEOUT")
    finally:
        owner.send_signal(signal.SIGCONT)
    made = await api.post(PATH, json=booking, headers=key)
    assert made.status_code == 201, made.text
    assert (await api.post(PATH, json={**booking, "request_id": "book-1"})).json() == made.json()
    other = await api.post(PATH, json={**booking, "email": None}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert (await api.get(PATH)).json()["total"] == 1


async def test_without_its_owner_a_booking_is_503_and_reads_go_on(api, booking, services) -> None:
    await api.post(PATH, json=booking)
    services["reservation_service"].stop()

    async def away() -> bool:
        return (await api.post(PATH, json=booking)).status_code == 503

    await eventually(away)
    assert (await api.get(PATH)).json()["total"] == 1
    await services["reservation_service"].start()


async def test_sixty_four_clients_for_one_slot_have_one_winner(gateway, api, booking) -> None:
    limits = httpx.Limits(max_connections=64)
    headers = dict(api.headers)
    async with http_client(base_url=gateway.url, headers=headers, limits=limits, timeout=20) as many:
        answers = await asyncio.gather(*(many.post(PATH, json=booking) for _ in range(64)))
    assert sorted(answer.status_code for answer in answers) == [201, *[409] * 63]
    assert (await api.get(PATH)).json()["total"] == 1
