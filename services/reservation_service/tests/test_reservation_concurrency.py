"""Many at once: one slot, one winner, no overlap and no deadlock, whichever replica answers."""

import asyncio
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import msgspec
import nats
import pytest
import pytest_asyncio

from parking_contracts.command import Command
from parking_contracts.errors import Accepted, Refusal, Reply
from parking_contracts.reservation_commands import BookAnySpace, CancelReservation, CreateReservation, UpdateReservation
from parkstream.embedded import child
from stack.car_park import HOUR, MINUTE, Lot, now
from stack.services import Service

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow, pytest.mark.timeout(300)]

CONTENDERS, ROUNDS = 64, 40
OVERLAPS = """
    SELECT count(*) FROM reservation.reservations a JOIN reservation.reservations b
    ON a.tenant_id = b.tenant_id AND a.space_id = b.space_id AND a.id < b.id AND a.during && b.during
    WHERE a.status = 'active' AND b.status = 'active'
"""
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@pytest.fixture(scope="module")
def reservation_settings() -> dict[str, str]:
    """The clock runs all the time, so that it meets the bookings."""
    return {"PARKSTREAM_RESERVATION_CLOCK_SECONDS": "0.05"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def second_replica(reservation_env, reservation_service) -> AsyncIterator[Service]:
    """Another process of the same service."""
    with tempfile.TemporaryDirectory(prefix="parkstream-reservations-") as logs:
        service = Service("reservation_service", reservation_env, Path(logs) / "second.log")
        await service.start()
        yield service
        service.end()
        print(f"--- log of the second replica\n{child.last_lines(service.log, 50)}")  # noqa: T201  pytest shows it


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def clients(city) -> AsyncIterator[list[nats.NATS]]:
    """64 connections."""
    url = city.bus.connected_url.geturl()
    connected = [await nats.connect(url, allow_reconnect=False) for _ in range(CONTENDERS)]
    yield connected
    for client in connected:
        await client.close()


class Contest:
    """Clients who all ask at the same moment; remembers how long each answer took."""

    def __init__(self, lot: Lot, clients: list[nats.NATS]) -> None:
        self._lot, self._clients = lot, clients
        self.seconds: list[float] = []

    async def between(self, bodies: list) -> list[Accepted | Refusal]:
        """One answer per body, each asked by a client of its own."""
        pairs = zip(self._clients, bodies, range(len(bodies)), strict=False)
        return await asyncio.gather(*(self._ask(client, body, number) for client, body, number in pairs))

    async def _ask(self, client: nats.NATS, body, number: int) -> Accepted | Refusal:
        command = Command(tenant_id=self._lot.tenant_id, caller=f"key:{number}", request_id=f"r{number}", body=body)
        began = time.perf_counter()
        answer = await client.request(body.subject, msgspec.json.encode(command), timeout=30)
        self.seconds.append(time.perf_counter() - began)
        return msgspec.json.decode(answer.data, type=Reply)

    def figures(self) -> dict[str, float]:
        cuts = statistics.quantiles(self.seconds, n=100)
        return {"p50_ms": cuts[49] * 1000, "p99_ms": cuts[98] * 1000, "max_ms": max(self.seconds) * 1000}


def outcomes(answers: list[Accepted | Refusal]) -> Counter[str]:
    return Counter("booked" if isinstance(answer, Accepted) else answer.code.value for answer in answers)


async def test_one_slot_has_one_winner_forty_times_over(lot: Lot, clients, second_replica, record_property, capsys):
    contest, space_id = Contest(lot, clients), await lot.space()
    deadlocks = (await lot.town.rows(DEADLOCKS))[0][0]
    for number in range(ROUNDS):
        start = now() + (number + 1) * 2 * HOUR
        # Not quite the same times: it is the overlap that counts.
        bodies = [
            CreateReservation(space_id=space_id, starts_at=start + n % 7 * MINUTE, ends_at=start + HOUR)
            for n in range(CONTENDERS)
        ]
        answers = await contest.between(bodies)
        assert outcomes(answers) == {"booked": 1, "SPACE_NOT_AVAILABLE": CONTENDERS - 1}
        assert all(answer.details["conflicts"] for answer in answers if isinstance(answer, Refusal))
    assert (await lot.town.rows(OVERLAPS))[0][0] == 0
    assert (await lot.town.rows(DEADLOCKS))[0][0] == deadlocks
    figures = contest.figures()
    for name, value in figures.items():
        record_property(name, round(value, 1))
    with capsys.disabled():
        shown = ", ".join(f"{name} {value:.0f}" for name, value in figures.items())
        print(f"\n{CONTENDERS} contenders for one slot, {ROUNDS} rounds, two replicas: {shown}")  # noqa: T201  the figure


async def test_bookings_of_different_spaces_do_not_wait_for_each_other(lot: Lot, clients, second_replica, capsys):
    contest, spaces = Contest(lot, clients), [await lot.space() for _ in range(CONTENDERS)]
    began, rounds = time.perf_counter(), 10
    for number in range(rounds):
        start = now() + (number + 1) * 2 * HOUR
        bodies = [
            CreateReservation(space_id=space_id, starts_at=start, ends_at=start + HOUR, email="ada@example.org")
            for space_id in spaces
        ]
        assert outcomes(await contest.between(bodies)) == {"booked": CONTENDERS}
    rate = rounds * CONTENDERS / (time.perf_counter() - began)
    with capsys.disabled():
        shown = ", ".join(f"{name} {value:.0f}" for name, value in contest.figures().items())
        print(f"\n{CONTENDERS} clients, a space each: {rate:.0f} bookings/s, {shown}")  # noqa: T201  the figure


async def test_as_many_spaces_as_there_are_have_winners(lot: Lot, clients, second_replica):
    spaces = {str(await lot.space(zone="any")) for _ in range(16)}
    deadlocks = (await lot.town.rows(DEADLOCKS))[0][0]
    start = now() + HOUR
    body = BookAnySpace(site_id=lot.town.site_id, zone="any", starts_at=start, ends_at=start + HOUR)
    answers = await Contest(lot, clients).between([body] * CONTENDERS)
    assert outcomes(answers) == {"booked": len(spaces), "SPACE_NOT_AVAILABLE": CONTENDERS - len(spaces)}
    booked = {msgspec.json.decode(answer.result)["space_id"] for answer in answers if isinstance(answer, Accepted)}
    assert booked == spaces
    assert (await lot.town.rows(DEADLOCKS))[0][0] == deadlocks


async def test_bookings_moves_cancellations_and_the_clock_meet_without_overlap_or_deadlock(
    lot: Lot, clients, second_replica
):
    spaces = [await lot.space() for _ in range(4)]
    start = now()
    deadlocks = (await lot.town.rows(DEADLOCKS))[0][0]
    contest, made = Contest(lot, clients), []
    for number in range(12):
        bodies: list = [
            CreateReservation(
                space_id=spaces[n % 4],
                starts_at=start + n // 4 * 10 * MINUTE,
                ends_at=start + (n // 4 + 2) * 10 * MINUTE,
            )
            for n in range(40)
        ]
        bodies += [UpdateReservation(id=one, ends_at=start + (number + 30) * MINUTE) for one in made[:12]]
        bodies += [CancelReservation(id=one) for one in made[12:24]]
        answers = await contest.between(bodies)
        assert not {"INTERNAL_ERROR", "DEPENDENCY_UNAVAILABLE"} & set(outcomes(answers)), outcomes(answers)
        rows = await lot.town.rows(
            "SELECT id FROM reservation.reservations WHERE status = 'active' AND tenant_id = $1", lot.tenant_id
        )
        made = [UUID(str(row["id"])) for row in rows]
        assert (await lot.town.rows(OVERLAPS))[0][0] == 0
    assert (await lot.town.rows(DEADLOCKS))[0][0] == deadlocks
