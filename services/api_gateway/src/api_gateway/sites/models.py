"""Sites as HTTP shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from api_gateway.http.fields import Body, Latitude, Longitude, Name, RequestId, absent, require_whole_position

TimeZone = Annotated[
    str,
    Field(min_length=1, max_length=64, description="IANA name; it decides the site's days", examples=["Europe/Berlin"]),
]


class Site(BaseModel):
    """A car park or a street."""

    tenant_id: UUID = Field(description="whom it belongs to")
    id: UUID
    name: str = Field(description="for people", examples=["Market Square"])
    time_zone: str = Field(description="IANA name; it decides the site's days", examples=["Europe/Berlin"])
    latitude: float | None = Field(description="WGS 84 degrees", examples=[-37.8136])
    longitude: float | None = Field(description="WGS 84 degrees", examples=[144.9631])
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = Field(description="null while it exists", examples=[None])


class SitePage(BaseModel):
    """Some of the sites, by name."""

    total: int = Field(description="how many match, on all pages", examples=[3])
    limit: int
    offset: int
    items: list[Site]


class NewSite(Body):
    """A site to be created."""

    name: Name
    time_zone: TimeZone = "UTC"
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    id: UUID | None = Field(default=None, description="choose it to make a retry harmless; else one is made")
    request_id: RequestId = None

    @model_validator(mode="after")
    def _position(self) -> Self:
        require_whole_position(self)
        return self


class SiteChanges(Body):
    """The fields to change; what is absent stays, null clears the position."""

    name: Name = absent()
    time_zone: TimeZone = absent()
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    request_id: RequestId = None

    @model_validator(mode="after")
    def _position(self) -> Self:
        require_whole_position(self)
        return self
