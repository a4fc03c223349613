"""Alerts as HTTP shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api_gateway.http.fields import Body, RequestId
from parking_contracts.alert import AlertSeverity

AlertState = Literal["open", "acknowledged", "closed"]
Kind = Annotated[
    str,
    Field(
        description="what is wrong: `silent`, `stuck`, `flapping`, `battery_low`, `battery_falling`, `weak_radio`, "
        "`decoder_errors`, `network_errors`, `profile_warning`; more may come",
        examples=["battery_low"],
    ),
]


class Alert(BaseModel):
    """Something that is, or was, wrong with a device of a space."""

    tenant_id: UUID = Field(description="whose it is")
    id: UUID
    source: str = Field(description="the service that found it", examples=["occupancy_engine"])
    key: str = Field(
        description="names what is wrong there: one alert of a key is open at a time",
        examples=["70b3d57ed0061a2b:battery_low"],
    )
    kind: Kind
    severity: AlertSeverity
    state: AlertState = Field(description="`acknowledged` is open still, and somebody has taken note")
    dev_eui: str | None = Field(description="the device", examples=["70b3d57ed0061a2b"])
    space_id: UUID | None = Field(description="the space that it was on")
    summary: str = Field(description="for people", examples=["battery at 18 %"])
    details: dict[str, Any] = Field(description="the figures it was opened by", examples=[{"battery_percent": 18.0}])
    opened_at: datetime
    closed_at: datetime | None = Field(description="when it was over; null while it is not", examples=[None])
    acknowledged_at: datetime | None
    acknowledged_by: str | None = Field(description="the caller who took note first", examples=["key:bootstrap01"])
    note: str = Field(description="what was said then", examples=["battery ordered"])


class AlertPage(BaseModel):
    """Some of the alerts, the newest first."""

    total: int = Field(description="how many match, on all pages", examples=[4])
    limit: int
    offset: int
    items: list[Alert]


class Acknowledgement(Body):
    """That somebody has taken note."""

    note: str = Field(default="", max_length=500, description="for others", examples=["battery ordered"])
    request_id: RequestId = None
