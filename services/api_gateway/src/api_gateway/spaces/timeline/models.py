"""A space's timeline as HTTP shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api_gateway.http.cursors import NextCursor

EntryKind = Literal["command", "uplink", "arrival", "departure", "reservation", "change", "alert", "downlink"]


class References(BaseModel):
    """What the entry speaks of, to look further; null where it does not."""

    dev_eui: str | None = Field(default=None, description="the device", examples=["70b3d57ed0061a2b"])
    f_cnt: int | None = Field(default=None, description="the frame, by the device's own count", examples=[1234])
    version: int | None = Field(default=None, description="the space's version that it made", examples=[8])
    request_id: str | None = Field(default=None, description="the request that asked for it", examples=["7f9c0a2e"])
    caller: str | None = Field(default=None, description="who asked: `key:<id>` or `user:<id>`", examples=[None])
    stay_id: UUID | None = None
    reservation_id: UUID | None = None
    alert_id: UUID | None = None
    downlink_id: UUID | None = None


class Entry(BaseModel):
    """Something that happened to the space."""

    kind: EntryKind = Field(
        description="`command`: somebody asked; `uplink`: its sensor spoke; `arrival`, `departure`: a vehicle moved, "
        "as its stays tell; `reservation`: a step of one; `change`: something else is shown; `alert`: of its device; "
        "`downlink`: a step of one to its display"
    )
    at: datetime = Field(description="when: of an uplink its receipt, of a stay when it happened")
    what: str = Field(description="in words", examples=["shown as occupied instead of free"])
    why: str = Field(description="in words; empty where there is nothing to add", examples=["sensor sees a vehicle"])
    references: References
    details: dict[str, Any] = Field(
        description="the figures behind the words", examples=[{"layer": "sensor", "previous": "free"}]
    )


class Timeline(BaseModel):
    """A part of a space's timeline, the newest first."""

    items: list[Entry]
    next_cursor: NextCursor
