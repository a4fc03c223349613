"""What `watch` knows: every space as last heard of, and which ones changed lately. Pure.

In: the spaces as the API lists them, and events of their life. Out: counts, the latest changes, lines to print.
A space's version decides what is news: what an event says that is not newer is passed over.
"""

from collections import Counter
from datetime import datetime
from uuid import UUID

import msgspec

from parking_contracts.space import SpaceState
from parkstream.gateway_client import ServerSentEvent


class ListedSpace(msgspec.Struct, frozen=True):
    """As much of a space as is shown."""

    id: UUID
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


class _Changed(msgspec.Struct, frozen=True):
    space_id: UUID
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
    """A space that changed its state while being watched."""

    at: datetime
    space: ListedSpace
    previous: SpaceState | None


class Board:
    """All spaces, and the changes seen, the latest one last."""

    def __init__(self) -> None:
        self.spaces: dict[UUID, ListedSpace] = {}
        self.changed: dict[UUID, Change] = {}
        self.changes = 0

    def load(self, spaces: list[ListedSpace]) -> None:
        """Begin anew with what the API lists."""
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
        elif "space.deleted" in kind:
            identity = msgspec.json.decode(event.data, type=_Deleted).space_id
            self.spaces.pop(identity, None)
            self.changed.pop(identity, None)
        return None

    def _state_changed(self, event: _Changed) -> Change | None:
        known = self.spaces.get(event.space_id)
        if known is not None and known.version >= event.version:
            return None
        space = ListedSpace(
            id=event.space_id,
            code=event.code,
            name=known.name if known else event.code,
            state=event.state,
            state_layer=event.layer,
            state_since=event.occurred_at,
            version=event.version,
            kind=event.kind,
            zone=event.zone,
        )
        change = Change(event.changed_at, space, known.state if known else None)
        self.spaces[space.id] = space
        self.changed.pop(space.id, None)
        self.changed[space.id] = change
        self.changes += 1
        return change

    def counts(self) -> dict[SpaceState, int]:
        """How many spaces are in each state, all five of them."""
        found = Counter(space.state for space in self.spaces.values())
        return {state: found[state] for state in SpaceState}

    def latest(self, limit: int) -> list[tuple[ListedSpace, Change | None]]:
        """The spaces that changed last, the very last first, then the others by code."""
        rows: list[tuple[ListedSpace, Change | None]] = []
        for change in reversed(self.changed.values()):
            if len(rows) == limit:
                return rows
            rows.append((change.space, change))
        rest = (space for identity, space in self.spaces.items() if identity not in self.changed)
        others = sorted(rest, key=lambda space: (space.name, space.code))
        return rows + [(space, None) for space in others[: limit - len(rows)]]
