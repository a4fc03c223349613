"""Rows that describe spaces: found by their site (its name or id) and their code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from occupancy_engine.commands import spaces
from occupancy_engine.commands.importing.asking import Asker, Change, Done, Values, differing
from occupancy_engine.commands.importing.sites import KnownSites
from occupancy_engine.store import imports
from occupancy_engine.store.devices import lock_devices
from occupancy_engine.store.spaces import lock_spaces
from parking_chassis.refusals import invalid, not_found
from parking_contracts.errors import Refusal
from parking_contracts.space import SpaceView
from parking_contracts.space_commands import CreateSpace, UpdateSpace

_KEY = ("site", "site_id", "code")


class SpaceRows:
    """Spaces that change are locked with their sensors, present and future: devices first, as everywhere."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._sites = KnownSites()
        self._spaces: dict[tuple[UUID, str], SpaceView] = {}

    async def load(self, rows: Sequence[Values]) -> None:
        """Read the sites and the spaces these rows may mean."""
        connection, tenant_id = self._asker.connection, self._asker.tenant_id
        self._sites = KnownSites(await imports.live_sites(connection, tenant_id))
        keys = {key for values in rows if not isinstance(key := self._key(values), Refusal)}
        self._spaces = await imports.spaces_by_code(connection, tenant_id, keys)
        changing = [values for values in rows if callable(self.decide(values))]
        present = [self._spaces.get(key) for one in changing if not isinstance(key := self._key(one), Refusal)]
        sensors = {space.sensor_eui for space in present if space} | {one.get("sensor_eui") for one in changing}
        await lock_devices(connection, [(tenant_id, eui) for eui in sorted(filter(None, sensors))])
        await lock_spaces(connection, [(tenant_id, space.id) for space in present if space])

    def decide(self, values: Values) -> Done | Refusal | Change:
        """Find the space, and compare it."""
        key = self._key(values)
        if isinstance(key, Refusal):
            return key
        described = {name: value for name, value in values.items() if name not in _KEY}
        space = self._spaces.get(key)
        if space is None:
            return lambda: self._create({"site_id": key[0], "code": key[1], **described})
        changes = differing(described, space)
        return (lambda: self._update(space, changes)) if changes else Done("unchanged", str(space.id))

    def _key(self, values: Values) -> tuple[UUID, str] | Refusal:
        name, site_id = values.get("site"), values.get("site_id")
        if not name and not site_id:
            return invalid("site", "is missing; give the site's name, or its id in site_id")
        if not values.get("code"):
            return invalid("code", "is missing")
        # A column `site` may hold an id too: an export writes it where several sites have the name.
        site = self._sites.find(name, site_id) or self._sites.find(None, name)
        if isinstance(site, Refusal):
            return site
        return (site.id, values["code"]) if site else not_found("site", site_id or name)

    async def _create(self, values: Values) -> Done | Refusal:
        return self._done("created", await self._asker.ask(spaces.create, CreateSpace, values))

    async def _update(self, space: SpaceView, changes: Values) -> Done | Refusal:
        return self._done("updated", await self._asker.ask(spaces.update, UpdateSpace, {"id": space.id, **changes}))

    def _done(self, outcome: Literal["created", "updated"], answer: SpaceView | Refusal) -> Done | Refusal:
        if isinstance(answer, Refusal):
            return answer
        self._spaces[answer.site_id, answer.code] = answer
        return Done(outcome, str(answer.id))
