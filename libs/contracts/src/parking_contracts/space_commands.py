"""Commands on sites and spaces, answered by occupancy_engine.

Subject `command.occupancy.<noun>.<verb>`; each travels as the `body` of a `command.Command`. The limits stand in the
types: a body that breaks one is refused as VALIDATION_ERROR with the path of the field.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from parking_contracts.moment import Moment
from parking_contracts.space import SpaceKind, SpaceState

OWNER = "occupancy"

Name = Annotated[str, Meta(min_length=1, max_length=100)]
Code = Annotated[str, Meta(min_length=1, max_length=20)]
Building = Annotated[str, Meta(max_length=100)]
Floor = Annotated[str, Meta(max_length=20)]
Zone = Annotated[str, Meta(max_length=50)]
Reason = Annotated[str, Meta(max_length=200)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]


class SiteView(msgspec.Struct, frozen=True, kw_only=True):
    """A car park or a street: its IANA time zone decides its days."""

    tenant_id: UUID
    id: UUID
    name: str
    time_zone: str
    latitude: float | None = None
    longitude: float | None = None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None


class CreateSite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`site.create`: answers a SiteView. `id` may be chosen by the caller, which makes a retry harmless."""

    name: Name
    time_zone: str = "UTC"
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    id: UUID | None = None


class UpdateSite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`site.update`: only the fields present change; answers a SiteView."""

    id: UUID
    name: Name | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    latitude: Latitude | UnsetType | None = UNSET
    longitude: Longitude | UnsetType | None = UNSET


class DeleteSite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`site.delete`: refused as RESOURCE_IN_USE while live spaces stand on it."""

    id: UUID


class CreateSpace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`space.create`: answers a SpaceView. EUIs in any notation."""

    site_id: UUID
    name: Name
    code: Code
    kind: SpaceKind = "standard"
    building: Building | None = None
    floor: Floor | None = None
    zone: Zone | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    sensor_eui: str | None = None
    display_eui: str | None = None
    metadata: dict[str, Any] = {}
    id: UUID | None = None


class UpdateSpace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`space.update`: only the fields present change; null clears. Answers a SpaceView.

    A full replacement (PUT) is an update that names every field.
    """

    id: UUID
    site_id: UUID | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    code: Code | UnsetType = UNSET
    kind: SpaceKind | UnsetType = UNSET
    building: Building | UnsetType | None = UNSET
    floor: Floor | UnsetType | None = UNSET
    zone: Zone | UnsetType | None = UNSET
    latitude: Latitude | UnsetType | None = UNSET
    longitude: Longitude | UnsetType | None = UNSET
    sensor_eui: str | UnsetType | None = UNSET
    display_eui: str | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET


class DeleteSpace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`space.delete`: soft; frees its code, sensor and display. Answers the last SpaceView."""

    id: UUID


class SetSpaceState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`space.set_state`: set the override, or clear it with `free`. Answers the resulting SpaceView.

    A target outside the transition table is refused as INVALID_STATE_TRANSITION unless `force`.
    """

    id: UUID
    state: SpaceState
    reason: Reason = ""
    until: Moment | None = None
    force: bool = False
