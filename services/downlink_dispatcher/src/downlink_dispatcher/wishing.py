"""What displays should show, wished anew: after an event, a new policy or counter, and by the sweep.

An event is a reason to look: what holds now stands in the engine's directory, so one that comes twice, late or out of
order does no harm. A display's row is held while its facts are read, so whoever writes last has read last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import msgspec

from downlink_dispatcher import metrics
from downlink_dispatcher.domain.display import DisplayKey
from downlink_dispatcher.domain.policy import choose_codec
from downlink_dispatcher.domain.wish import Facts, News, Wish, news, wish_of, withdrawn
from downlink_dispatcher.store import wishes as store
from downlink_dispatcher.store.displays import lock_displays
from parking_chassis.postgres import Connection
from parking_codecs.registry import Registry

AT_ONCE = 500


class Wishing:
    """Writes wishes, inside its caller's transaction; in any role that may see the displays concerned."""

    def __init__(self, registry: Registry, *, request_reports: bool = False) -> None:
        self.registry = registry
        self._request_reports = request_reports

    async def complaints(self) -> str | None:
        """A health warning: the codecs that could not be used."""
        return "; ".join(self.registry.errors) or None

    async def wish_for_spaces(
        self, connection: Connection, spaces: Collection[store.SpaceKey], sites: Collection[store.SiteKey] = ()
    ) -> int:
        """Look anew at the displays that are on these spaces or were, and at the counters of these sites."""
        return await self.wish_for_displays(connection, await store.displays_concerned(connection, spaces, sites))

    async def wish_for_counters(self, connection: Connection, sites: Collection[store.SiteKey]) -> int:
        """Look anew at the counters of these sites."""
        return await self.wish_for_spaces(connection, (), sites)

    async def wish_for_tenant(self, connection: Connection, tenant_id: UUID) -> int:
        """Look anew at every display of a tenant, as after a change of its policy."""
        return await self.wish_for_displays(connection, await store.displays_of_tenant(connection, tenant_id))

    async def wish_for_displays(self, connection: Connection, displays: Iterable[DisplayKey]) -> int:
        """Look anew at these displays, those included that have no row yet; answers how many got a new wish."""
        keys = sorted(set(displays))
        return sum([await self._wish(connection, keys[n : n + AT_ONCE]) for n in range(0, len(keys), AT_ONCE)])

    async def _wish(self, connection: Connection, keys: Sequence[DisplayKey]) -> int:
        held = {display.key: display for display in await lock_displays(connection, keys)}
        facts = await store.look(connection, keys)
        free = await self._count(connection, facts)
        changed: dict[News, list[Wish]] = {News.BYTES: [], News.WORDS: []}
        # New rows in the order of their keys too: two replicas that make the same ones must not wait in a circle.
        for fact in sorted(facts, key=lambda one: one.key):
            display = held.get(fact.key)
            wish = self._wish_of(fact, free)
            if (what := news(display, wish)) is News.NOTHING:
                continue
            if wish is not None:
                changed[what].append(wish)
            elif display is not None:
                changed[what].append(withdrawn(display))
        if changed[News.WORDS]:
            await store.reword_wishes(connection, changed[News.WORDS])
        if changed[News.BYTES]:
            await store.write_wishes(connection, changed[News.BYTES])
        metrics.WISHES.inc(len(changed[News.BYTES]))
        return len(changed[News.BYTES])

    async def _count(self, connection: Connection, facts: Iterable[Facts]) -> store.FreeSpaces:
        sites = {(one.tenant_id, one.counter_site_id) for one in facts if one.counter_site_id is not None}
        return await store.free_spaces(connection, sites) if sites else {}

    def _wish_of(self, fact: Facts, free: store.FreeSpaces) -> Wish | None:
        codec = choose_codec(self.registry, msgspec.structs.asdict(fact))
        count = None
        if fact.counter_site_id is not None:
            # A zone without any space has none free.
            count = free.get((fact.tenant_id, fact.counter_site_id, fact.counter_zone), 0)
        return wish_of(fact, codec, count, request_reports=self._request_reports)
