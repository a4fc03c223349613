"""A round of asking the network server, as HTTP shows it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class NetworkSync(BaseModel):
    """The latest round of asking ChirpStack for its devices and gateways, for the whole platform."""

    requested_at: datetime | None = Field(description="when a round was asked for last")
    began_at: datetime | None = Field(description="when the latest round began; null: there was none yet")
    ended_at: datetime | None = Field(description="when a round ended last; before `began_at`: one is under way")
    error: str = Field(
        description="why the latest round failed; empty if it did not", examples=["ChirpStack is not reachable"]
    )
    devices: int = Field(description="how many devices it found", examples=[1203])
    gateways: int = Field(description="how many gateways it found", examples=[14])
