"""LoRaWAN gateways as HTTP shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path
from pydantic import AfterValidator, BaseModel, Field

from parking_contracts.device import parse_eui
from parking_contracts.network import GatewayState

GatewayId = Annotated[
    str,
    AfterValidator(parse_eui),
    Path(description="the gateway's EUI in any notation", examples=["0016c001f153a14c"], max_length=64),
]


class LorawanGateway(BaseModel):
    """A LoRaWAN gateway that serves the tenant, as the network server told of it last."""

    tenant_id: UUID = Field(description="whom it serves")
    gateway_id: str = Field(examples=["0016c001f153a14c"])
    name: str = Field(examples=["Town hall"])
    description: str = Field(examples=["Roof, east side"])
    latitude: float | None = Field(description="WGS 84 degrees", examples=[-37.8136])
    longitude: float | None = Field(description="WGS 84 degrees", examples=[144.9631])
    altitude: float | None = Field(description="metres", examples=[31.0])
    state: GatewayState = Field(description="whether the network server hears of it")
    last_seen_at: datetime | None
    received_24h: int = Field(description="packets that it received in 24 hours", examples=[18230])
    sent_24h: int = Field(description="packets that it sent in 24 hours", examples=[412])
    synced_at: datetime = Field(description="when the network server told so")


class LorawanGatewayPage(BaseModel):
    """Some of the gateways."""

    total: int = Field(description="how many match, on all pages")
    limit: int
    offset: int
    items: list[LorawanGateway]


class DisplayCounts(BaseModel):
    """Displays that were last heard over the gateway, by what is known of them."""

    total: int = Field(examples=[34])
    idle: int = Field(description="with nothing to show", examples=[2])
    waiting: int = Field(description="with something that was not sent yet", examples=[1])
    sent: int = Field(description="that have not said yet what they show", examples=[11])
    confirmed: int = Field(description="that show what they should", examples=[20])
    wrong: int = Field(description="that show something else", examples=[0])


class DownlinkCounts(BaseModel):
    """Downlinks of ours through the gateway in 24 hours, by their status now."""

    total: int = Field(examples=[58])
    queued: int = Field(examples=[0])
    sent: int = Field(examples=[1])
    transmitted: int = Field(examples=[12])
    acknowledged: int = Field(examples=[42])
    failed: int = Field(examples=[1])
    expired: int = Field(examples=[0])
    superseded: int = Field(examples=[2])
    cancelled: int = Field(examples=[0])
    last_transmitted_at: datetime | None = Field(description="when one was on air last")
    median_seconds_to_air: float | None = Field(
        description="half of them were on air within so many seconds after they were sent", examples=[0.8]
    )


class LorawanGatewayStats(BaseModel):
    """What goes over a gateway."""

    gateway_id: str = Field(examples=["0016c001f153a14c"])
    state: GatewayState
    last_seen_at: datetime | None
    received_24h: int = Field(description="packets that it received in 24 hours, of whatever device", examples=[18230])
    sent_24h: int = Field(description="packets that it sent in 24 hours, to whatever device", examples=[412])
    synced_at: datetime = Field(description="when the network server told so")
    displays: DisplayCounts
    downlinks_24h: DownlinkCounts
