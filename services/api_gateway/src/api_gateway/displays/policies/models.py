"""Display policies as HTTP shows and takes them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from api_gateway.http.fields import Body, RequestId
from parking_contracts.downlink import DEFAULT_OFF_CENTISECONDS, DEFAULT_ON_CENTISECONDS
from parking_contracts.downlink_commands import COLOUR_PATTERN
from parking_contracts.space import SpaceState

Colour = Annotated[str, Field(pattern=COLOUR_PATTERN, description="RRGGBB", examples=["FF0000"])]
On = Annotated[int, Field(ge=0, le=255, description="how long the light is on, in 1/100 s", examples=[255])]
Off = Annotated[int, Field(ge=0, le=255, description="how long it is off, in 1/100 s; 0: steady", examples=[0])]


class DisplayPolicy(BaseModel):
    """How the tenant's displays show a state. A display that cannot blink shows the colour steadily."""

    state: SpaceState
    colour: Colour
    on_centiseconds: On
    off_centiseconds: Off
    is_default: bool = Field(description="whether the tenant has not set it")


class DisplayPolicyList(BaseModel):
    """How every state is shown."""

    items: list[DisplayPolicy] = Field(description="one for each state")


class DisplayPolicySettings(Body):
    """A colour, and whether it blinks."""

    colour: Colour
    on_centiseconds: On = DEFAULT_ON_CENTISECONDS
    off_centiseconds: Off = DEFAULT_OFF_CENTISECONDS
    request_id: RequestId = None


class TriedShade(Body):
    """A way to show a state, not set yet."""

    state: SpaceState
    colour: Colour
    on_centiseconds: On = DEFAULT_ON_CENTISECONDS
    off_centiseconds: Off = DEFAULT_OFF_CENTISECONDS


class PreviewRequest(Body):
    """What is tried out over the tenant's policy."""

    shades: list[TriedShade] = Field(
        default=[],
        max_length=len(SpaceState),
        description="states that would be shown otherwise; none: the policy as it is",
        examples=[[{"state": "maintenance", "colour": "FF3200", "on_centiseconds": 50, "off_centiseconds": 50}]],
    )


class PreviewedDownlink(BaseModel):
    """The bytes that a family of displays gets for a state."""

    codec: str = Field(description="the family of displays", examples=["kuando_busylight"])
    state: SpaceState
    f_port: int | None = Field(examples=[15])
    payload: str | None = Field(description="hex", examples=["ff00323232"])
    command: dict[str, Any] | None = Field(
        description="what the bytes are made of",
        examples=[{"command": "colour", "red": 255, "green": 50, "blue": 0}],
    )
    error: str = Field(description="why it gets none; else empty", examples=[""])


class DisplayPreview(BaseModel):
    """The bytes of every family of displays for every state."""

    items: list[PreviewedDownlink]
