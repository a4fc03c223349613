"""People who want parking spaces: two for every slot, each asking until there is an answer.

Most slots are days ahead; some begin so soon that their spaces are reserved from now on.

In: a world and a rate. Out: HTTP requests with an idempotency key each, and wish and answer in the ledger. A request
whose answer is lost, or that a gateway could not carry out, is asked again under the same key, as an app would.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from math import inf
from uuid import UUID, uuid4

import httpx

from chaos.ledger import Booking
from chaos.towns import Town
from chaos.world import World
from stack.http_client import http_client

HOUR = timedelta(hours=1)
AHEAD = timedelta(days=2)
# Every fifth space is booked for a time so near that it counts as reserved at once.
OPENED_EVERY, SOON, OPENED_HOURS = 5, timedelta(minutes=5), 2
AT_ONCE = 24
REQUEST_SECONDS = 12.0
AGAIN_SECONDS = (0.1, 0.5)
IN_FLIGHT, TAKEN = "REQUEST_IN_FLIGHT", "SPACE_NOT_AVAILABLE"
# What says nothing about the wish: it is asked again. 500 is counted, since it says that something was not foreseen.
PASSING = frozenset({500, 502, 503, 504})


class Bookings:
    """Everybody who wants something."""

    def __init__(self, world: World, per_second: float) -> None:
        self._world = world
        self._dice = random.Random(f"bookings/{world.shape.seed}")
        self._period_seconds = 1 / per_second
        self._places = asyncio.Semaphore(AT_ONCE)
        self._asking: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self.statuses: Counter[int] = Counter()
        self.surprises: list[str] = []

    def stop(self) -> None:
        """Wish for nothing new."""
        self._over.set()

    async def run(self) -> None:
        """Wish; returns when stopped and every wish is answered."""
        async with http_client(timeout=REQUEST_SECONDS) as http:
            for town in self._world.towns:
                for space in town.city.fleet.spaces[::OPENED_EVERY]:
                    self._two_want(http, town, space.id, datetime.now(UTC) + SOON, OPENED_HOURS * HOUR)
            slot = 0
            while not self._over.is_set():
                self._two_want(http, *self._slot(slot))
                slot += 1
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._over.wait(), self._period_seconds)
            while self._asking:
                await asyncio.wait(self._asking)

    def _slot(self, number: int) -> tuple[Town, UUID, datetime, timedelta]:
        """Slots of all tenants in turn, days ahead: none opens while we look."""
        town = self._world.towns[number % len(self._world.towns)]
        spaces = town.city.fleet.spaces
        hour, place = divmod(number // len(self._world.towns), len(spaces))
        first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + AHEAD
        return town, spaces[place].id, first + hour * HOUR, HOUR

    def _two_want(
        self, http: httpx.AsyncClient, town: Town, space_id: UUID, starts_at: datetime, length: timedelta
    ) -> None:
        for _ in range(2):
            wish = Booking(town.number, str(uuid4()), str(space_id), starts_at, starts_at + length, asked_at=inf)
            task = asyncio.create_task(self._want(http, town, wish))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

    async def _want(self, http: httpx.AsyncClient, town: Town, booking: Booking) -> None:
        async with self._places:
            booking.asked_at = time.monotonic()
            self._world.ledger.bookings.append(booking)
            while not await self._ask(http, town, booking):  # noqa: ASYNC110  asked, not told
                await asyncio.sleep(self._dice.uniform(*AGAIN_SECONDS))

    async def _ask(self, http: httpx.AsyncClient, town: Town, booking: Booking) -> bool:
        """Whether there is an answer."""
        booking.attempts += 1
        try:
            answer = await http.post(
                f"{self._dice.choice(self._world.gateway_urls)}/api/v6/reservations",
                json={
                    "space_id": booking.space_id,
                    "starts_at": booking.starts_at.isoformat(),
                    "ends_at": booking.ends_at.isoformat(),
                    "email": f"{booking.key}@example.org",
                },
                headers={"X-API-Key": town.key, "Idempotency-Key": booking.key},
            )
        except httpx.TransportError:
            return False
        self.statuses[answer.status_code] += 1
        code = _code(answer)
        if answer.status_code in PASSING or code == IN_FLIGHT:
            if answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
                self.surprises.append(answer.text[:300])
            return False
        booking.answered_at = time.monotonic()
        if answer.status_code == httpx.codes.CREATED:
            booking.answer, booking.reservation_id = "made", answer.json()["id"]
        elif code == TAKEN:
            booking.answer = "taken"
        else:
            booking.detail = f"{answer.status_code} {answer.text[:200]}"
        return True


def _code(answer: httpx.Response) -> str:
    if answer.is_success:
        return ""
    try:
        return str(answer.json().get("code", ""))
    except ValueError:
        return ""
