"""The site and zone of a space, for events that do not name them (reservations). Learned from what passes by."""

from __future__ import annotations

import asyncio
from uuid import UUID

from api_gateway.live import queries
from api_gateway.live.announcement import Announcement
from parking_chassis.postgres import DATABASE_AWAY, Pool

CAPACITY = 100_000
RETRY_SECONDS = 1.0
Place = tuple[UUID | None, str | None]


class Places:
    """A bounded memory in front of the space directory; waits for a database that is away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._known: dict[tuple[UUID, UUID], Place] = {}

    def learn(self, announcement: Announcement) -> None:
        """Keep what an event of the space itself says."""
        self._remember((announcement.tenant_id, announcement.space_id), (announcement.site_id, announcement.zone))

    async def of_space(self, tenant_id: UUID, space_id: UUID) -> Place:
        """Site and zone; neither for a space that does not exist. Its id alone is not unique: clients choose it."""
        space = tenant_id, space_id
        while True:
            known = self._known.get(space)
            if known is not None:
                return known
            try:
                async with self._pool.acquire(timeout=RETRY_SECONDS) as connection:
                    row = await queries.place_of_space(connection, tenant_id, space_id)
            except DATABASE_AWAY:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._remember(space, (row["site_id"], row["zone"]) if row else (None, None))

    def _remember(self, space: tuple[UUID, UUID], place: Place) -> None:
        self._known.pop(space, None)
        self._known[space] = place
        if len(self._known) > CAPACITY:
            del self._known[next(iter(self._known))]
