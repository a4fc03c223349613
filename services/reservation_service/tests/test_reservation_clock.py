"""The clock by itself: asked to run, shared by replicas, killed in the middle; and a relay that died too early."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from parking_contracts.reservation_commands import CreateReservation, ErasePerson, RunClock, UpdateReservation
from parkstream.embedded import child
from stack.car_park import HOUR, MINUTE, Lot, now
from stack.services import Service
from stack.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

AN_HOUR_EARLIER = """
    UPDATE reservation.reservations
    SET starts_at = starts_at - interval '1 hour', ends_at = ends_at - interval '1 hour',
        opened_at = opened_at - interval '1 hour', created_at = created_at - interval '1 hour'
    WHERE tenant_id = $1 AND status = 'active'
"""


@pytest.fixture(scope="module")
def reservation_settings() -> dict[str, str]:
    """By itself the clock of the module's service hardly ever runs."""
    return {"PARKSTREAM_RESERVATION_CLOCK_SECONDS": "60"}


@pytest_asyncio.fixture(loop_scope="module")
async def replica(reservation_env) -> AsyncIterator[Service]:
    """Another process whose clock runs ten times a second; not started yet."""
    quick = reservation_env | {"PARKSTREAM_RESERVATION_CLOCK_SECONDS": "0.1"}
    with tempfile.TemporaryDirectory(prefix="parkstream-reservations-") as logs:
        service = Service("reservation_service", quick, Path(logs) / "replica.log")
        yield service
        if service.process is not None:
            service.stop()
        print(f"--- log of the replica\n{child.last_lines(service.log, 100)}")  # noqa: T201  pytest shows it


async def an_hour_later(lot: Lot) -> None:
    """Let an hour pass for the active reservations of this tenant, once nothing told of them is still under way."""
    await lot.quiet()
    await lot.town.rows(AN_HOUR_EARLIER, lot.tenant_id)


async def statuses(lot: Lot) -> list[str]:
    rows = await lot.town.rows(
        "SELECT status FROM reservation.reservations WHERE tenant_id = $1 ORDER BY status", lot.tenant_id
    )
    return [row["status"] for row in rows]


async def test_the_clock_can_be_asked_to_run_and_says_what_it_did(lot: Lot):
    assert await lot.ask(RunClock()) == {"opened": 0, "no_shows": 0, "completed": 0, "pruned": 0}
    for start, end in ((0, 30), (0, 120), (60, 90), (600, 630)):
        await lot.book(await lot.space(), now() + start * MINUTE, now() + end * MINUTE)
    await an_hour_later(lot)
    done = await lot.ask(RunClock())
    assert done == {"opened": 1, "no_shows": 2, "completed": 0, "pruned": 0}
    assert await statuses(lot) == ["active", "active", "no_show", "no_show"]
    assert (await lot.ask(RunClock()))["no_shows"] == 0


async def test_it_runs_for_the_one_tenant_who_asks(lot: Lot, city):
    neighbour = Lot(await city.town())
    await neighbour.book(await neighbour.space(), now(), now() + 30 * MINUTE)
    await an_hour_later(neighbour)
    assert (await lot.ask(RunClock()))["no_shows"] == 0
    assert (await neighbour.ask(RunClock()))["no_shows"] == 1


async def test_a_booking_does_not_wait_for_the_clock_to_let_go_of_who_did_not_come(lot: Lot):
    space_id = await lot.space()
    await lot.book(space_id, now(), now() + 2 * HOUR)
    await an_hour_later(lot)
    await lot.book(space_id, now(), now() + HOUR)
    assert await lot.names(space_id) == ["created", "opened", "released", "created", "opened"]


async def test_personal_data_is_pruned_long_after_the_end(lot: Lot):
    made = await lot.book(await lot.space(), now(), now() + HOUR, email="bob@example.org", metadata={"a": 1})
    await lot.ask(ErasePerson(email="bob@example.org"))
    await lot.ask(UpdateReservation(id=made["id"], email="ada@example.org"))  # somebody else comes instead
    await lot.town.rows(
        """
        UPDATE reservation.reservations SET status = 'completed', ended_at = now(),
            starts_at = starts_at - interval '91 days', ends_at = ends_at - interval '91 days' WHERE id = $1
        """,
        UUID(made["id"]),
    )
    assert (await lot.ask(RunClock()))["pruned"] == 1
    row = await lot.row(made)
    assert (row["email"], row["metadata"], row["erased_at"] is None) == (None, "{}", False)
    assert (await lot.ask(RunClock()))["pruned"] == 0


async def test_replicas_share_the_clock_and_do_nothing_twice(lot: Lot, replica: Service, reservation_env):
    spaces = [await lot.space() for _ in range(30)]
    for space_id in spaces:
        await lot.book(space_id, now(), now() + 2 * HOUR)
    with tempfile.TemporaryDirectory(prefix="parkstream-reservations-") as logs:
        quick = reservation_env | {"PARKSTREAM_RESERVATION_CLOCK_SECONDS": "0.05"}
        third = Service("reservation_service", quick, Path(logs) / "third.log")
        await replica.start()
        await third.start()
        await an_hour_later(lot)

        async def all_missed() -> bool:
            return await statuses(lot) == ["no_show"] * len(spaces)

        await eventually(all_missed, 20)
        third.stop()
    for space_id in spaces:
        assert await lot.names(space_id) == ["created", "opened", "released"]


async def test_a_clock_killed_in_the_middle_loses_and_repeats_nothing(lot: Lot, city, replica: Service):
    spaces = sorted([await lot.space() for _ in range(12)])
    for space_id in spaces:
        await lot.book(space_id, now(), now() + 2 * HOUR)
    await an_hour_later(lot)
    blocker = await asyncpg.connect(city.database_url)
    transaction = blocker.transaction()
    await transaction.start()
    # The clock goes by the order of the spaces: it does five, and stands at the sixth.
    await blocker.execute("SELECT FROM reservation.reservations WHERE space_id = $1 FOR UPDATE", spaces[5])
    await replica.start()

    async def in_the_middle() -> bool:
        return (await statuses(lot)).count("no_show") >= 5

    await eventually(in_the_middle, 20)
    replica.kill()
    await transaction.rollback()
    await blocker.close()
    await replica.start()

    async def all_missed() -> bool:
        return await statuses(lot) == ["no_show"] * len(spaces)

    await eventually(all_missed, 20)
    for space_id in spaces:
        assert await lot.names(space_id) == ["created", "opened", "released"]


async def test_what_is_committed_and_not_published_yet_outlives_a_kill(lot: Lot, city, reservation_service: Service):
    """The relay waits, as for the replica that has its lock; then the service dies."""
    space_id = await lot.space()
    reservation_service.stop()
    other_replica = await asyncpg.connect(city.database_url)
    await other_replica.execute("SELECT pg_advisory_lock(hashtextextended('reservation.outbox', 0))")
    await reservation_service.start()
    body = CreateReservation(space_id=space_id, starts_at=now(), ends_at=now() + HOUR)
    once = {"idempotency_key": "k1", "body_sha256": "a"}
    made = await lot.ask(body, **once)
    assert len(await lot.town.rows("SELECT FROM reservation.outbox")) == 2
    reservation_service.kill()
    await other_replica.close()
    await reservation_service.start()
    assert await lot.names(space_id) == ["created", "opened"]
    assert await lot.ask(body, **once) == made
    await lot.shows(space_id, "reserved", "reservation")
    assert await lot.names(space_id) == ["created", "opened"]
