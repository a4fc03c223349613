"""A car park for a module of tests: a running engine and a running reservation service, and tenants of their own.

pytestmark = pytest.mark.asyncio(loop_scope="module")

async def test_something(lot: Lot): ...
"""

import itertools
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from parking_contracts import subjects
from parking_contracts.command import Command, CommandBody
from parking_contracts.errors import Accepted, Refusal, Reply
from parking_contracts.reservation_commands import CreateReservation
from parking_contracts.streams import RESERVATIONS, SPACES
from parkstream.embedded import child
from stack.consumers import has_caught_up
from stack.platform import City, Platform
from stack.replicas import make_service
from stack.service_process import Service
from stack.waiting import eventually

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
_numbers = itertools.count(1)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Lot:
    """One tenant's car park, and the reservation service that looks after it."""

    town: Platform

    @property
    def tenant_id(self) -> UUID:
        return self.town.tenant_id

    async def space(self, sensor_eui: str | None = None, **changes: Any) -> UUID:
        return await self.town.space(sensor_eui, **changes)

    async def sensed_space(self, **changes: Any) -> tuple[UUID, "Car"]:
        """A space whose sensor has been heard once, seeing nothing."""
        eui = self.town.new_eui()
        space_id = await self.town.space(eui, **changes)
        car = Car(self.town, eui)
        await car.sense(occupied=False)
        return space_id, car

    async def ask(self, body: CommandBody, **envelope: Any) -> Any:
        """Send a command to whoever answers it; the result as plain JSON values, or the Refusal."""
        given = {"tenant_id": self.tenant_id, "caller": "key:test", "request_id": str(uuid4()), "body": body}
        command = Command(**given | envelope)
        answer = await self.town.bus.request(body.subject, msgspec.json.encode(command), timeout=20)
        reply: Reply = msgspec.json.decode(answer.data, type=Reply)
        return msgspec.json.decode(reply.result) if isinstance(reply, Accepted) else reply

    async def book(self, space_id: UUID, starts_at: datetime, ends_at: datetime, **details: Any) -> dict[str, Any]:
        """A reservation, which must succeed."""
        body = CreateReservation(space_id=space_id, starts_at=starts_at, ends_at=ends_at, **details)
        made = await self.ask(body)
        assert not isinstance(made, Refusal), made
        return made

    async def row(self, reservation: dict[str, Any]) -> asyncpg.Record:
        rows = await self.town.rows("SELECT * FROM reservation.reservations WHERE id = $1", UUID(reservation["id"]))
        return rows[0]

    async def until(self, reservation: dict[str, Any], **expected: Any) -> asyncpg.Record:
        """Wait until the columns named have these values, or just any where `...` is given."""

        async def reached() -> asyncpg.Record:
            row = await self.row(reservation)
            for name, value in expected.items():
                assert row[name] is not None if value is ... else row[name] == value, f"{name}: {row[name]}"
            return row

        return await eventually(reached, 20)

    async def shows(self, space_id: UUID, state: str, layer: str) -> None:
        """Wait until the engine shows this state for the space."""

        async def shown() -> bool:
            assert await self.town.state(space_id) == (state, layer)
            return True

        await eventually(shown)

    async def events(self, space_id: UUID) -> list[tuple[str, dict[str, Any]]]:
        """(name, event) of everything published on the space's reservations, once the outbox is empty."""

        async def relayed() -> bool:
            return not await self.town.rows("SELECT FROM reservation.outbox LIMIT 1")

        await eventually(relayed)
        subject = subjects.reservation(self.tenant_id, space_id, "*")
        subscription = await self.town.bus.jetstream().subscribe(subject, ordered_consumer=True)
        info = await subscription.consumer_info()
        waiting = (info.num_pending or 0) + info.delivered.consumer_seq
        messages = [await subscription.next_msg(timeout=5) for _ in range(waiting)]
        await subscription.unsubscribe()
        return [(one.subject.rpartition(".")[2], msgspec.json.decode(one.data)) for one in messages]

    async def quiet(self) -> None:
        """Wait until everything told so far has been heard: events flow one way round, so one look in order will do."""

        async def all_heard() -> bool:
            for outbox, stream, consumer in (
                ("reservation.outbox", RESERVATIONS.name, "occupancy_engine"),
                ("occupancy.outbox", SPACES.name, "reservation_service"),
            ):
                if await self.town.rows(f"SELECT FROM {outbox} LIMIT 1"):
                    return False
                if not await has_caught_up(self.town.bus, stream, consumer):
                    return False
            return True

        await eventually(all_heard, 45)  # what a killed process had in hand comes again after 30 s

    async def names(self, space_id: UUID) -> list[str]:
        """What has been told of the space's reservations, in order."""
        return [name for name, _ in await self.events(space_id)]


@dataclass
class Car:
    """What the sensor of one space sees."""

    town: Platform
    eui: str
    f_cnt: int = 0

    async def sense(self, *, occupied: bool, at: datetime | None = None) -> None:
        """The next frame, heard now, and handled when this returns."""
        self.f_cnt += 1
        await self.town.hear(self.town.uplink(self.eui, self.f_cnt, occupied, at=at or now()))


QUICK = {
    "PARKSTREAM_RESERVATION_LEAD_SECONDS": "2",
    "PARKSTREAM_NO_SHOW_GRACE_SECONDS": "6",
    "PARKSTREAM_OVERSTAY_GRACE_SECONDS": "0.4",
    "PARKSTREAM_RESERVATION_CLOCK_SECONDS": "0.1",
}


@pytest.fixture(scope="module")
def reservation_settings() -> dict[str, str]:
    """What a module's reservation service runs with; a module may have its own."""
    return QUICK


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reservation_env(city: City, reservation_settings: dict[str, str]) -> dict[str, str]:
    """What points a service at the module's database and bus."""
    return {
        "PARKSTREAM_DATABASE_URL": city.database_url,
        "PARKSTREAM_NATS_URL": city.bus.connected_url.geturl(),
        **reservation_settings,
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reservation_service(reservation_env: dict[str, str], replicas: int) -> AsyncIterator[Service]:
    """The module's reservation service."""
    with tempfile.TemporaryDirectory(prefix="parkstream-reservations-") as logs:
        service = make_service("reservation_service", reservation_env, Path(logs) / "reservations.log", replicas)
        await service.start()
        yield service
        service.end()
        print(f"--- log of the reservation service\n{child.last_lines(service.log, 200)}")  # noqa: T201  pytest shows it


@pytest_asyncio.fixture(loop_scope="module")
async def lot(city: City, reservation_service: Service) -> Lot:
    """A tenant with a site and a bound application."""
    return Lot(await city.town())
