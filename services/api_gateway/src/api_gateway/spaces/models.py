"""Spaces as HTTP shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field, StrictBool, model_validator

from api_gateway.http.fields import (
    Body,
    Document,
    Eui,
    Instant,
    Latitude,
    Longitude,
    Name,
    RequestId,
    absent,
    require_whole_position,
)
from parking_contracts.space import Layer, SpaceKind, SpaceState


def _any_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


State = Annotated[
    SpaceState, BeforeValidator(_any_case), Field(description="any case is accepted, lower case is answered")
]
Code = Annotated[
    str, Field(min_length=1, max_length=20, description="unique among the site's spaces", examples=["A-17"])
]
Building = Annotated[str, Field(max_length=100, examples=["North"])]
Floor = Annotated[str, Field(max_length=20, examples=["P2"])]
Zone = Annotated[str, Field(max_length=50, examples=["visitors"])]
Metadata = Annotated[Document, Field(description="your own data, at most 16 KiB", examples=[{"width_m": 2.5}])]
Kind = Annotated[SpaceKind, Field(description="what it is for")]


class Space(BaseModel):
    """A parking space and what is shown for it."""

    tenant_id: UUID = Field(description="whom it belongs to")
    id: UUID
    site_id: UUID
    code: str = Field(description="unique among the site's spaces", examples=["A-17"])
    name: str = Field(description="for people", examples=["Bay A-17"])
    kind: Kind
    building: str | None = Field(examples=["North"])
    floor: str | None = Field(examples=["P2"])
    zone: str | None = Field(examples=["visitors"])
    latitude: float | None = Field(description="WGS 84 degrees", examples=[-37.8136])
    longitude: float | None = Field(description="WGS 84 degrees", examples=[144.9631])
    sensor_eui: str | None = Field(description="DevEUI of its sensor", examples=["70b3d57ed0061a2b"])
    display_eui: str | None = Field(description="DevEUI of its display")
    metadata: dict[str, Any] = Field(description="your own data", examples=[{"width_m": 2.5}])
    state: SpaceState = Field(description="what a driver may conclude about it", examples=["occupied"])
    state_layer: Layer = Field(description="which input decided the state", examples=["sensor"])
    state_reason: str = Field(description="why, in words", examples=["the sensor sees a vehicle"])
    state_since: datetime = Field(description="when what decides began")
    version: int = Field(description="grows with every visible change", examples=[7])
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = Field(description="null while it exists", examples=[None])


class ListedSpace(Space):
    """A space in a list."""

    distance_m: float | None = Field(
        default=None, description="metres from `near`, when that was asked", examples=[42.5]
    )


class SpacePage(BaseModel):
    """Some of the spaces: by site and code, or nearest first."""

    total: int = Field(description="how many match, on all pages", examples=[1342])
    limit: int
    offset: int
    items: list[ListedSpace]


class OverrideLayer(BaseModel):
    """Highest: what a person or a program has set."""

    layer: Literal["override"] = "override"
    state: SpaceState | None = Field(description="null: nothing is set", examples=[None])
    reason: str = Field(examples=[""])
    since: datetime | None = Field(examples=[None])
    until: datetime | None = Field(description="when it ends by itself", examples=[None])


class SensorLayer(BaseModel):
    """What the sensor reports; a silent sensor says nothing, one never heard leaves the space unknown."""

    layer: Literal["sensor"] = "sensor"
    heard: bool = Field(description="whether it has ever been heard since it was assigned", examples=[True])
    occupied: bool | None = Field(examples=[True])
    since: datetime | None
    silent: bool = Field(description="whether it has missed its reports")


class ReservationLayer(BaseModel):
    """The reservation that holds the space now."""

    layer: Literal["reservation"] = "reservation"
    id: UUID | None = Field(description="null: none holds it", examples=[None])
    since: datetime | None = Field(examples=[None])
    until: datetime | None = Field(examples=[None])


class SpaceDetail(Space):
    """A space with everything that its state is made of, highest layer first."""

    layers: tuple[OverrideLayer, SensorLayer, ReservationLayer] = Field(
        description="`state_layer` says which of them decided"
    )


class SpaceDescription(Body):
    """The whole description of a space; what is left out takes its default."""

    site_id: UUID
    name: Name
    code: Code
    kind: Kind = "standard"
    building: Building | None = None
    floor: Floor | None = None
    zone: Zone | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    sensor_eui: Eui | None = None
    display_eui: Eui | None = None
    metadata: Metadata = Field(default={})
    request_id: RequestId = None

    @model_validator(mode="after")
    def _position(self) -> Self:
        # A full description is whole even where it names no position: the default clears both.
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("give latitude and longitude together, or neither")
        return self


class NewSpace(SpaceDescription):
    """A space to be created."""

    id: UUID | None = Field(default=None, description="choose it to make a retry harmless; else one is made")


class SpaceChanges(Body):
    """The fields to change; what is absent stays, null clears what may be empty."""

    site_id: UUID = absent()
    name: Name = absent()
    code: Code = absent()
    kind: Kind = absent()
    building: Building | None = None
    floor: Floor | None = None
    zone: Zone | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    sensor_eui: Eui | None = None
    display_eui: Eui | None = None
    metadata: Metadata = absent()
    request_id: RequestId = None

    @model_validator(mode="after")
    def _position(self) -> Self:
        require_whole_position(self)
        return self


class StateRequest(Body):
    """A state to be set over all other inputs; `free` lifts what was set and lets the others speak again."""

    state: State = Field(examples=["maintenance"])
    reason: str = Field(default="", max_length=200, description="why, for people", examples=["painting the lines"])
    until: Instant | None = Field(
        default=None,
        description="when it ends by itself (RFC 3339 with an offset)",
        examples=["2026-05-04T18:00:00+02:00"],
    )
    force: StrictBool = Field(default=False, description="skip the table of allowed transitions (admins only)")
    request_id: RequestId = None
