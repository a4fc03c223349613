"""What `watch` knows: every space as last heard of, and which ones changed lately. Pure.

In: the spaces as the API lists them, and events of their life. Out: counts, the spaces of each site, the latest
changes.
A space's version decides what is news: what an event says that is not newer is passed over.
"""

from collections import Counter
from datetime import datetime
from itertools import islice
from uuid import UUID

import msgspec

from parking_contracts.space import SpaceState
from parkstream.gateway_client import ServerSentEvent


class ListedSpace(msgspec.Struct, frozen=True):
    """As much of a space as is shown."""

    id: UUID
    site_id: UUID
    code: str
    name: str
    state: SpaceState
    state_layer: str
    state_since: datetime
    version: int
    kind: str = "standard"
    zone: str | None = None
    deleted_at: datetime | None = None


class SpacePage(msgspec.Struct, frozen=True):
    """A page of `GET /api/v6/spaces`."""

    total: int
    items: list[ListedSpace]


class Site(msgspec.Struct, frozen=True):
    """A site's name."""

    id: UUID
    name: str


class SitePage(msgspec.Struct, frozen=True):
    """A page of `GET /api/v6/sites`."""

    total: int
    items: list[Site]


class _Changed(msgspec.Struct, frozen=True):
    space_id: UUID
    site_id: UUID
    code: str
    state: SpaceState
    layer: str
    occurred_at: datetime
    changed_at: datetime
    version: int
    kind: str = "standard"
    zone: str | None = None


class _Described(msgspec.Struct, frozen=True):
    space: ListedSpace


class _Deleted(msgspec.Struct, frozen=True):
    space_id: UUID


class Change(msgspec.Struct, frozen=True):
    """A space that changed its state while being watched; what it was before, and since when, if that is known."""

    at: datetime
    space: ListedSpace
    previous: SpaceState | None
    previous_since: datetime | None = None


class Board:
    """All spaces, and the changes seen, the latest one last."""

    def __init__(self) -> None:
        self.spaces: dict[UUID, ListedSpace] = {}
        self.sites: dict[UUID, str] = {}
        self.changed: dict[UUID, Change] = {}
        self.changes = 0
        self.loaded = False
        self._order: list[UUID] | None = None  # by site and code, until a space comes or goes

    def load(self, spaces: list[ListedSpace], sites: list[Site]) -> None:
        """Begin anew with what the API lists."""
        self.loaded = True
        self._order = None
        self.sites = {site.id: site.name for site in sites}
        self.spaces = {space.id: space for space in spaces if space.deleted_at is None}
        self.changed = {identity: change for identity, change in self.changed.items() if identity in self.spaces}

    def apply(self, event: ServerSentEvent) -> Change | None:
        """Take in one event; the change, if it is one of a state. Raises msgspec.DecodeError for what is no event."""
        kind = event.type
        if "space.state_changed" in kind:
            return self._state_changed(msgspec.json.decode(event.data, type=_Changed))
        if "space.created" in kind or "space.updated" in kind:
            space = msgspec.json.decode(event.data, type=_Described).space
            known = self.spaces.get(space.id)
            if known is None or known.version < space.version:
                self.spaces[space.id] = space
                self._order = None
        elif "space.deleted" in kind:
            identity = msgspec.json.decode(event.data, type=_Deleted).space_id
            self.spaces.pop(identity, None)
            self._order = None
            self.changed.pop(identity, None)
        return None

    def _state_changed(self, event: _Changed) -> Change | None:
        known = self.spaces.get(event.space_id)
        if known is not None and known.version >= event.version:
            return None
        space = ListedSpace(
            id=event.space_id,
            site_id=event.site_id,
            code=event.code,
            name=known.name if known else event.code,
            state=event.state,
            state_layer=event.layer,
            state_since=event.occurred_at,
            version=event.version,
            kind=event.kind,
            zone=event.zone,
        )
        change = Change(event.changed_at, space, known.state if known else None, known.state_since if known else None)
        self.spaces[space.id] = space
        if known is None:
            self._order = None
        self.changed.pop(space.id, None)
        self.changed[space.id] = change
        self.changes += 1
        return change

    def counts(self) -> dict[SpaceState, int]:
        """How many spaces are in each state, all five of them."""
        found = Counter(space.state for space in self.spaces.values())
        return {state: found[state] for state in SpaceState}

    def by_site(self) -> dict[str, list[ListedSpace]]:
        """The spaces of each site by its name, in the order of their codes."""
        if self._order is None:
            in_order = sorted(self.spaces.values(), key=lambda space: (self._site_name(space), space.code))
            self._order = [space.id for space in in_order]
        found: dict[str, list[ListedSpace]] = {}
        for identity in self._order:
            space = self.spaces[identity]
            found.setdefault(self._site_name(space), []).append(space)
        return found

    def changed_since(self, instant: datetime) -> set[UUID]:
        """The spaces that changed after this."""
        found = set()
        for identity, change in reversed(self.changed.items()):
            if change.at < instant:
                break
            found.add(identity)
        return found

    def latest(self, limit: int) -> list[Change]:
        """The last change of each space, the very last first."""
        return list(islice(reversed(self.changed.values()), limit))

    def _site_name(self, space: ListedSpace) -> str:
        return self.sites.get(space.site_id, f"site {space.site_id}")
