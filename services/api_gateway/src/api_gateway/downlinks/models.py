"""Downlinks as HTTP shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from api_gateway.http.cursors import NextCursor
from parking_contracts.downlink import DownlinkKind, DownlinkStatus


class Downlink(BaseModel):
    """A command on its way to a display, and how far it has come."""

    tenant_id: UUID = Field(description="whose it is")
    id: UUID
    dev_eui: str = Field(description="the display", examples=["2020200000000001"])
    space_id: UUID | None = Field(description="the space whose state it shows")
    kind: DownlinkKind = Field(
        description="`state`: the display shows its space; `counter`: it shows a count; `custom`: a client's own"
    )
    f_port: int = Field(examples=[15])
    payload: str = Field(description="hex", examples=["ff0000ff00"])
    confirmed: bool = Field(description="whether the display's acknowledgement is asked for")
    command: dict[str, Any] | None = Field(
        description="what the bytes were made of; null: they were given as bytes",
        examples=[{"command": "colour", "red": 255, "green": 0, "blue": 0}],
    )
    cause: str = Field(
        description="what it is for: `space:<id>:<version>`, `site:<id>:<zone>`, `command:<caller>`, `retry:<id>`",
        examples=["command:user:0190f5fe-7c00-7a00-8000-0000000000aa"],
    )
    requested_by: str | None = Field(
        description="the client that sent it", examples=["user:0190f5fe-7c00-7a00-8000-0000000000aa"]
    )
    status: DownlinkStatus = Field(
        description="`queued`: waits here; `sent`: the network server has it; `transmitted`: on air; `acknowledged`: "
        "by the display, or by what it reports; `superseded`: another one took its place"
    )
    attempts: int = Field(description="how often handing it over has failed", examples=[0])
    last_error: str = Field(description="why it failed last, or waits; else empty", examples=[""])
    queue_item_id: str | None = Field(
        description="its id in the network server's queue", examples=["42cb7a8e-2f64-4a0e-9a3c-4b1d0c3f5a77"]
    )
    gateway_id: str | None = Field(description="the LoRaWAN gateway it goes out through", examples=["0016c001f153a14c"])
    f_cnt_down: int | None = Field(description="the frame's count, once it was on air", examples=[17])
    created_at: datetime
    expires_at: datetime = Field(description="not sent any more after that")
    sent_at: datetime | None
    transmitted_at: datetime | None
    acknowledged_at: datetime | None
    ended_at: datetime | None = Field(description="when nothing more was to be expected")


class DownlinkStep(BaseModel):
    """Something that happened to a command."""

    at: datetime
    status: DownlinkStatus = Field(description="what it was then")
    detail: str = Field(description="more, in words; may be empty", examples=["by user:ada"])


class DownlinkDetails(Downlink):
    """A command with its history."""

    history: list[DownlinkStep] = Field(description="its steps, the first one first")


class DownlinkPage(BaseModel):
    """Some of the commands, the newest first."""

    items: list[Downlink]
    next_cursor: NextCursor
