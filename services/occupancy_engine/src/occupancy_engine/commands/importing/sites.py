"""Rows that describe sites: found by name, or by `id` where several have the name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from occupancy_engine.commands import sites
from occupancy_engine.commands.importing.asking import Asker, Change, Done, Values, differing
from occupancy_engine.store import imports
from parking_chassis.refusals import invalid
from parking_contracts.errors import ErrorCode, Refusal
from parking_contracts.space_commands import CreateSite, SiteView, UpdateSite


class KnownSites:
    """The tenant's live sites."""

    def __init__(self, found: Sequence[SiteView] = ()) -> None:
        self._by_id = {site.id: site for site in found}
        self._by_name: dict[str, set[UUID]] = {}
        for site in found:
            self._by_name.setdefault(site.name, set()).add(site.id)

    def put(self, site: SiteView) -> None:
        """Know a site as it is now."""
        before = self._by_id.get(site.id)
        if before is not None:
            self._by_name[before.name].discard(before.id)
        self._by_id[site.id] = site
        self._by_name.setdefault(site.name, set()).add(site.id)

    def find(self, name: str | None, site_id: str | None) -> SiteView | Refusal | None:
        """The one with this id, else the only one of this name; refused where several have it."""
        by_id = self._by_id.get(_uuid(site_id)) if site_id else None
        if by_id is not None or not name:
            return by_id
        namesakes = self._by_name.get(name, set())
        if len(namesakes) > 1:
            return Refusal(
                code=ErrorCode.DUPLICATE_RESOURCE,
                message=f"site: {len(namesakes)} sites are called {name[:100]!r}; give the id of the one you mean",
                details={"field": "site"},
            )
        return next((self._by_id[one] for one in namesakes), None)


class SiteRows:
    """Sites are few: all of them are known, and none is locked before it changes."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._sites = KnownSites()

    async def load(self, _rows: Sequence[Values]) -> None:
        """Read what there is."""
        self._sites = KnownSites(await imports.live_sites(self._asker.connection, self._asker.tenant_id))

    def decide(self, values: Values) -> Done | Refusal | Change:
        """Find the site, and compare it."""
        if not values.get("name"):
            return invalid("name", "is missing")
        site = self._sites.find(values["name"], values.get("id"))
        if isinstance(site, Refusal):
            return site
        if site is None:
            return lambda: self._create(values)
        changes = differing({name: value for name, value in values.items() if name != "id"}, site)
        return (lambda: self._update(site, changes)) if changes else Done("unchanged", str(site.id))

    async def _create(self, values: Values) -> Done | Refusal:
        return self._done("created", await self._asker.ask(sites.create, CreateSite, values))

    async def _update(self, site: SiteView, changes: Values) -> Done | Refusal:
        return self._done("updated", await self._asker.ask(sites.update, UpdateSite, {"id": site.id, **changes}))

    def _done(self, outcome: Literal["created", "updated"], answer: SiteView | Refusal) -> Done | Refusal:
        if isinstance(answer, Refusal):
            return answer
        self._sites.put(answer)
        return Done(outcome, str(answer.id))


def _uuid(text: str) -> UUID:
    """The id, or one that no site has where the text is none: creating the site then says what is wrong with it."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
