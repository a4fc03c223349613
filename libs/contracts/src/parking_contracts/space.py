"""A parking space on the bus: its states, what decides them, and the events of its life.

Produced by occupancy_engine through its outbox on the SPACES stream as CloudEvents (binary mode), versions of one
space in order; consumed by api_gateway, and by whoever follows a space. Consumers drop versions they have passed.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import msgspec


class SpaceState(StrEnum):
    """What a driver may conclude about a space; lower-case on the wire, any case accepted from outside."""

    FREE = "free"
    OCCUPIED = "occupied"
    RESERVED = "reserved"
    MAINTENANCE = "maintenance"
    UNKNOWN = "unknown"


class Layer(StrEnum):
    """Which input decided a state, highest first."""

    OVERRIDE = "override"
    SENSOR = "sensor"
    RESERVATION = "reservation"
    SILENCE = "silence"
    DEFAULT = "default"


SpaceKind = Literal["standard", "accessible", "ev", "loading", "permit"]
ChangeSource = Literal["uplink", "command", "reservation", "clock"]


class SpaceView(msgspec.Struct, frozen=True, kw_only=True):
    """A space as clients see it. Positions are WGS 84 degrees; `state_since` is when what decides it began."""

    tenant_id: UUID
    id: UUID
    site_id: UUID
    code: str
    name: str
    kind: SpaceKind = "standard"
    building: str | None = None
    floor: str | None = None
    zone: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    sensor_eui: str | None = None
    display_eui: str | None = None
    metadata: dict[str, Any] = {}
    state: SpaceState
    state_layer: Layer
    state_reason: str = ""
    state_since: datetime
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None


class SpaceCreated(msgspec.Struct, frozen=True, kw_only=True):
    """A space came into being."""

    space: SpaceView


class SpaceUpdated(msgspec.Struct, frozen=True, kw_only=True):
    """A space's description changed, its sensor and display included."""

    space: SpaceView


class SpaceDeleted(msgspec.Struct, frozen=True, kw_only=True):
    """A space was taken away; its history stays."""

    tenant_id: UUID
    site_id: UUID
    space_id: UUID
    code: str
    zone: str | None
    version: int
    deleted_at: datetime


class SpaceStateChanged(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown for a space changed.

    `changed_at` is when we showed it, `occurred_at` when the thing itself happened. `cause` names what did it
    (`uplink:<devEui>:<fCnt>`, `command:<caller>`, `reservation:<id>`, `clock:<what>`).
    """

    tenant_id: UUID
    site_id: UUID
    space_id: UUID
    code: str
    zone: str | None
    kind: SpaceKind
    previous: SpaceState
    state: SpaceState
    layer: Layer
    reason: str
    source: ChangeSource
    cause: str
    request_id: str | None
    occurred_at: datetime
    changed_at: datetime
    version: int


EVENT_TYPES: dict[type, str] = {
    SpaceCreated: "parkstream.space.created.v1",
    SpaceUpdated: "parkstream.space.updated.v1",
    SpaceDeleted: "parkstream.space.deleted.v1",
    SpaceStateChanged: "parkstream.space.state_changed.v1",
}
