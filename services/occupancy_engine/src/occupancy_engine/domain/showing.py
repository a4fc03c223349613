"""From a space's layers to a change of what is shown: versions, history and the event."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from occupancy_engine.domain.layers import Layers, Shown, resolve
from parking_contracts.space import ChangeSource, Layer, SpaceKind, SpaceState, SpaceStateChanged


class Space(msgspec.Struct, kw_only=True):
    """A space as a transaction holds it, its row locked.

    `released_last` are the last few reservations that let it go: what comes of them afterwards came late.
    """

    tenant_id: UUID
    id: UUID
    site_id: UUID
    code: str
    kind: SpaceKind
    zone: str | None
    sensor_eui: str | None
    layers: Layers
    shown: Shown
    version: int
    released_last: tuple[str, ...] = ()


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Who or what did it, and when: `occurred_at` out there, `changed_at` here."""

    source: ChangeSource
    cause: str
    occurred_at: datetime
    changed_at: datetime
    request_id: str | None = None


def show(space: Space, layers: Layers, cause: Cause) -> SpaceStateChanged | None:
    """Give a space new layers. A change of state or of the deciding layer is visible: a version and an event."""
    previous, shown = space.shown, resolve(layers)
    space.layers, space.shown = layers, shown
    if (shown.state, shown.layer) == (previous.state, previous.layer):
        return None
    space.version += 1
    return changed(space, previous.state, cause)


def changed(space: Space, previous: SpaceState, cause: Cause) -> SpaceStateChanged:
    """The event of the space's present version."""
    shown = space.shown
    return SpaceStateChanged(
        tenant_id=space.tenant_id,
        site_id=space.site_id,
        space_id=space.id,
        code=space.code,
        zone=space.zone,
        kind=space.kind,
        previous=previous,
        state=shown.state,
        layer=Layer(shown.layer),
        reason=shown.reason,
        source=cause.source,
        cause=cause.cause,
        request_id=cause.request_id,
        occurred_at=cause.occurred_at,
        changed_at=cause.changed_at,
        version=space.version,
    )
