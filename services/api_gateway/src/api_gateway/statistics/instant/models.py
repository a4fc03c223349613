"""What was at a moment, as HTTP shows it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, Field

from api_gateway.statistics.now import StateCounts
from parking_contracts.space import SpaceState


class Basis(StrEnum):
    """Which of the two histories answers."""

    SHOWN = "shown"
    STAYS = "stays"


class ZoneThen(StateCounts):
    """Spaces per state of one zone, at that moment."""

    site_id: UUID
    zone: str | None = Field(description="null: spaces that named none", examples=["visitors"])


class SpaceThen(BaseModel):
    """One space at that moment."""

    space_id: UUID
    site_id: UUID = Field(description="where it stood then")
    zone: str | None = Field(description="where it stood then", examples=["visitors"])
    state: SpaceState = Field(description="of stays: `occupied`, `free`, or `unknown` while no sensor watched it")
    since: datetime | None = Field(description="when it became so, as far as is known")
    until: datetime | None = Field(description="when it became something else; null: it has not, or is not known")


class StateAt(BaseModel):
    """The spaces of the tenant, or those selected, as they were."""

    at: datetime = Field(description="the moment asked for")
    basis: Basis
    all: StateCounts
    by_zone: list[ZoneThen]
    space: SpaceThen | None = Field(description="the space asked for; null when none was")
