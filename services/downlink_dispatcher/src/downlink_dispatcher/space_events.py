"""What happens at spaces, as SPACES tells it: their displays, and the counters of their sites, are looked at anew.

An event says where to look, not what to show: see `wishing`. Most spaces have no display; one question sorts those out.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from downlink_dispatcher.store.wishes import displays_concerned
from downlink_dispatcher.wishing import Wishing
from parking_chassis.dead_letters import decode_event
from parking_chassis.postgres import Pool
from parking_chassis.pull_consumer import Delivery


class Place(msgspec.Struct, frozen=True):
    """Where something happened: what a change of state and a deletion have in common."""

    tenant_id: UUID
    site_id: UUID
    space_id: UUID


class _View(msgspec.Struct, frozen=True):
    tenant_id: UUID
    site_id: UUID
    id: UUID


class _WithView(msgspec.Struct, frozen=True):
    """What a new and a changed description have in common."""

    space: _View


def read_place(subject: str, body: bytes) -> Place | None:
    """Where an event happened; None for kinds that change nothing that is shown. Raises PoisonError."""
    match subject.rpartition(".")[2]:
        case "state_changed" | "deleted":
            return decode_event(body, Place)
        case "created" | "updated":
            view = decode_event(body, _WithView).space
            return Place(view.tenant_id, view.site_id, view.id)
    return None


class SpaceEvents:
    """Takes batches of SPACES."""

    def __init__(self, pool: Pool, wishing: Wishing) -> None:
        self._pool = pool
        self._wishing = wishing

    async def take(self, deliveries: Sequence[Delivery]) -> None:
        """Wish anew wherever something happened, in one transaction. Raises PoisonError."""
        read = (read_place(one.subject.decode(), one.payload) for one in deliveries)
        places = [place for place in read if place is not None]
        if not places:
            return
        spaces = {(place.tenant_id, place.space_id) for place in places}
        sites = {(place.tenant_id, place.site_id) for place in places}
        async with self._pool.acquire() as connection:
            displays = await displays_concerned(connection, spaces, sites)
            if displays:
                async with connection.transaction():
                    await self._wishing.wish_for_displays(connection, displays)
