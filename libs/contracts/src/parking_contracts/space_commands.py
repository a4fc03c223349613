"""Commands on sites and spaces, answered by occupancy_engine.

Each travels as the `body` of a `command.Command`. The limits stand in the types: a body that breaks one is refused as
VALIDATION_ERROR with the path of the field. `revision`, where a body has one, is the `updated_at` that the caller saw:
when it has moved on, the command is refused as PRECONDITION_FAILED.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from parking_contracts import subjects
from parking_contracts.command import CommandBody
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


class CreateSite(CommandBody, frozen=True, kw_only=True):
    """Answers a SiteView. `id` may be chosen by the caller, which makes a retry harmless."""

    subject: ClassVar[str] = subjects.command(OWNER, "site.create")
    name: Name
    time_zone: str = "UTC"
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    id: UUID | None = None


class UpdateSite(CommandBody, frozen=True, kw_only=True):
    """Only the fields present change; answers a SiteView."""

    subject: ClassVar[str] = subjects.command(OWNER, "site.update")
    id: UUID
    revision: Moment | None = None
    name: Name | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    latitude: Latitude | UnsetType | None = UNSET
    longitude: Longitude | UnsetType | None = UNSET


class DeleteSite(CommandBody, frozen=True, kw_only=True):
    """Refused as RESOURCE_IN_USE while live spaces stand on it."""

    subject: ClassVar[str] = subjects.command(OWNER, "site.delete")
    id: UUID
    revision: Moment | None = None


class CreateSpace(CommandBody, frozen=True, kw_only=True):
    """Answers a SpaceView. EUIs in any notation."""

    subject: ClassVar[str] = subjects.command(OWNER, "space.create")
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
    metadata: dict[str, Any] = {}  # noqa: RUF012  msgspec copies it
    id: UUID | None = None


class UpdateSpace(CommandBody, frozen=True, kw_only=True):
    """Only the fields present change; null clears. Answers a SpaceView.

    A full replacement (PUT) is an update that names every field.
    """

    subject: ClassVar[str] = subjects.command(OWNER, "space.update")
    id: UUID
    revision: Moment | None = None
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


class DeleteSpace(CommandBody, frozen=True, kw_only=True):
    """Soft; frees its code, sensor and display. Answers the last SpaceView."""

    subject: ClassVar[str] = subjects.command(OWNER, "space.delete")
    id: UUID
    revision: Moment | None = None


class SetSpaceState(CommandBody, frozen=True, kw_only=True):
    """Set the override, or clear it with `free`. Answers the resulting SpaceView.

    A target outside the transition table is refused as INVALID_STATE_TRANSITION unless `force`.
    """

    subject: ClassVar[str] = subjects.command(OWNER, "space.set_state")
    id: UUID
    state: SpaceState
    reason: Reason = ""
    until: Moment | None = None
    force: bool = False
