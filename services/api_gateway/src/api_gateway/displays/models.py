"""Displays as HTTP shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path
from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from api_gateway.http.fields import Body, RequestId, storable
from parking_contracts.device import parse_eui
from parking_contracts.downlink import DisplayTruth

DisplayEui = Annotated[
    str,
    AfterValidator(parse_eui),
    Path(description="the display's DevEUI in any notation", examples=["2020200000000001"], max_length=64),
]


class Display(BaseModel):
    """A display: what it should show, and what is known of what it shows."""

    tenant_id: UUID = Field(description="whose it is")
    dev_eui: str = Field(examples=["2020200000000001"])
    codec: str = Field(description="the family whose bytes it gets", examples=["kuando_busylight"])
    space_id: UUID | None = Field(description="the space whose state it shows")
    site_id: UUID | None = Field(description="the site of that space, or the one that it counts for")
    counter_site_id: UUID | None = Field(description="the site whose free spaces it counts; null: it counts none")
    counter_zone: str | None = Field(
        description="the zone whose free spaces it counts; null: of the whole site, if it counts", examples=["P2"]
    )
    truth: DisplayTruth = Field(
        description="`idle`: nothing to show; `waiting`: not sent yet; `sent`: not reported yet; `confirmed`: it "
        "reports the same; `wrong`: it reports something else, and is being corrected"
    )
    desired: str | None = Field(description="the state, or the count, that it should show", examples=["occupied"])
    desired_f_port: int | None = Field(examples=[15])
    desired_payload: str | None = Field(description="its bytes for that, in hex", examples=["ff0000ff00"])
    desired_cause: str = Field(
        description="what it follows from: `space:<id>:<version>` or `site:<id>:<zone>`",
        examples=["space:0190f5fe-7c00-7a00-8000-0000000000aa:8"],
    )
    desired_version: int = Field(description="grows with everything new to show", examples=[8])
    desired_at: datetime | None
    sent_version: int = Field(description="the newest of these that the network server got", examples=[8])
    sent_at: datetime | None
    due_at: datetime | None = Field(description="when something is to be sent next; null: nothing is")
    reported: dict[str, Any] | None = Field(
        description="what it said last that it shows",
        examples=[{"colour": {"red": 255, "green": 0, "blue": 0, "on_centiseconds": 255, "off_centiseconds": 0}}],
    )
    reported_at: datetime | None
    joined_at: datetime | None = Field(description="when it joined the network last; what it showed was lost then")
    mended: int = Field(description="how often it was corrected since it was last right", examples=[0])
    gateway_id: str | None = Field(
        description="the LoRaWAN gateway over which it was last heard", examples=["0016c001f153a14c"]
    )
    created_at: datetime


class DisplayPage(BaseModel):
    """Some of the displays."""

    total: int = Field(description="how many match, on all pages")
    limit: int
    offset: int
    items: list[Display]


class CounterSettings(Body):
    """Whose free spaces a display counts."""

    site_id: UUID = Field(description="the site")
    zone: Annotated[str, StringConstraints(max_length=50), AfterValidator(storable)] | None = Field(
        default=None, description="only the spaces of this zone; null: of the whole site", examples=["P2"]
    )
    request_id: RequestId = None
