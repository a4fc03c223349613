"""The console's first screen as HTTP shows it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from api_gateway.alerts.models import Alert
from api_gateway.devices.pool.models import PoolCounts
from parking_contracts.space import Layer, SpaceKind, SpaceState


class Counts(BaseModel):
    """Live spaces per state."""

    total: int = Field(examples=[1000])
    free: int = Field(examples=[612])
    occupied: int = Field(examples=[340])
    reserved: int = Field(examples=[30])
    maintenance: int = Field(examples=[8])
    unknown: int = Field(examples=[10])


class ZoneNow(Counts):
    """The spaces of one zone of a site."""

    zone: str | None = Field(description="null: spaces that name none", examples=["visitors"])


class SiteNow(Counts):
    """A site with its spaces counted."""

    id: UUID
    name: str = Field(examples=["Market Square"])
    time_zone: str = Field(examples=["Europe/Berlin"])
    latitude: float | None = Field(description="WGS 84 degrees", examples=[-37.8136])
    longitude: float | None = Field(description="WGS 84 degrees", examples=[144.9631])
    arrivals_today: int = Field(
        description="vehicles that came since the site's midnight, as of a minute ago", examples=[812]
    )
    zones: list[ZoneNow]


class SpaceNow(BaseModel):
    """A space as a square or a dot on the screen."""

    id: UUID
    site_id: UUID
    code: str = Field(examples=["A-17"])
    name: str = Field(examples=["Bay A-17"])
    kind: SpaceKind
    floor: str | None = Field(examples=["P2"])
    zone: str | None = Field(examples=["visitors"])
    latitude: float | None = Field(description="WGS 84 degrees", examples=[-37.8136])
    longitude: float | None = Field(description="WGS 84 degrees", examples=[144.9631])
    state: SpaceState
    state_layer: Layer
    state_since: datetime
    version: int = Field(description="an event of a lower or the same version is old news", examples=[7])


class Spaces(BaseModel):
    """The live spaces by site and code, as many as one screen takes."""

    items: list[SpaceNow]
    is_cut: bool = Field(description="there are more: `GET /api/v6/spaces` pages through them", examples=[False])


class Change(BaseModel):
    """Something else was shown."""

    space_id: UUID
    code: str = Field(examples=["A-17"])
    site_id: UUID
    previous: SpaceState
    state: SpaceState
    layer: Layer
    reason: str = Field(examples=["sensor sees a vehicle"])
    changed_at: datetime
    version: int = Field(examples=[7])


class Alerts(BaseModel):
    """Alerts that are not over."""

    open: int = Field(description="nobody has taken note yet", examples=[3])
    acknowledged: int = Field(examples=[1])
    critical: int = Field(description="of both", examples=[1])
    newest: list[Alert]


class HourOfOccupancy(BaseModel):
    """How full the watched spaces were in one hour."""

    from_: datetime = Field(alias="from", description="its beginning")
    occupancy_rate: float = Field(description="occupied time / watched time", examples=[0.71])


class Dashboard(BaseModel):
    """Everything that a console's first screen needs."""

    events_after: str | None = Field(
        description="give it to `GET /api/v6/events` as `Last-Event-ID`: the stream then misses nothing that is not in "
        "this answer; null while the stream is away: ask again before you follow it",
        examples=["1042.17"],
    )
    taken_at: datetime
    all: Counts
    sites: list[SiteNow]
    spaces: Spaces
    changes: list[Change] = Field(description="the newest 20 of the last 24 hours")
    occupancy: list[HourOfOccupancy] = Field(
        description="the last 24 hours as far as statistics are computed, oldest first"
    )
    alerts: Alerts | None = Field(description="null: the caller may not read alerts")
    devices: PoolCounts | None = Field(description="null: the caller may not read devices")
