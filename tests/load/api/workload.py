"""What is asked: reads as a console and a parking app make them, bookings of distinct slots, contenders for one.

In: the spaces of a platform. Out: requests, each rendered before the clock starts.
"""

import itertools
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg

from load.api.client import LightClient
from load.api.open_loop import Due

READS = ("spaces, 100 of them", "one space", "free spaces nearby", "statistics of now", "dashboard")
BOOKING, CONTENDER = "booking", "contender"
BOOKED = frozenset({201})
BOOKED_OR_TAKEN = frozenset({201, 409})
LENGTH = timedelta(minutes=30)
SLOTS_PER_SPACE = 300 * 24  # of an hour each: within the year that one may book ahead


class Workload:
    """Requests to one platform; no slot is asked for twice but by contenders."""

    def __init__(self, client: LightClient, spaces: Sequence[asyncpg.Record], *, seed: int = 1) -> None:
        self._client = client
        self._spaces = spaces
        self._dice = random.Random(seed)
        self._slots = itertools.count()
        self._first = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=2)

    def read(self, number: int) -> Due:
        """One of each kind in turn."""
        kind = READS[number % len(READS)]
        space = self._dice.choice(self._spaces)
        near = f"{space['latitude']:.6f},{space['longitude']:.6f}"
        path = {
            READS[0]: f"/api/v6/spaces?limit=100&offset={self._dice.randrange(0, len(self._spaces), 100)}",
            READS[1]: f"/api/v6/spaces/{space['id']}",
            READS[2]: f"/api/v6/spaces?near={near}&radius_m=300&state=free&limit=20",
            READS[3]: "/api/v6/spaces/stats/occupancy",
            READS[4]: "/api/v6/dashboard/data",
        }[kind]
        return Due(kind, self._client.request("GET", path))

    def booking(self, _number: int = 0) -> Due:
        """A slot of its own, with an idempotency key, as a careful app books."""
        slot = next(self._slots)
        assert slot < SLOTS_PER_SPACE * len(self._spaces), "no slot is left: more spaces, or less time"
        space = self._spaces[slot % len(self._spaces)]
        return Due(BOOKING, self._book(space, slot // len(self._spaces)), BOOKED)

    def mixed(self, number: int) -> Due:
        """Three reads, then a booking."""
        return self.booking() if number % 4 == 3 else self.read(number - number // 4)

    def contenders(self, count: int) -> list[Due]:
        """So many who want the same slot, each with a key of its own."""
        slot = next(self._slots)
        space = self._spaces[slot % len(self._spaces)]
        return [Due(CONTENDER, self._book(space, slot // len(self._spaces)), BOOKED_OR_TAKEN) for _ in range(count)]

    def _book(self, space: asyncpg.Record, hour: int) -> bytes:
        start = self._first + timedelta(hours=hour)
        body = {
            "space_id": str(space["id"]),
            "starts_at": start.isoformat(),
            "ends_at": (start + LENGTH).isoformat(),
            "email": "ada@example.org",
        }
        return self._client.request("POST", "/api/v6/reservations", body, Idempotency_Key=str(uuid4()))
