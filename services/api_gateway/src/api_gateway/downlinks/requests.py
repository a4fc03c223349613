"""What a client may send to a display, as HTTP takes it: bytes, or one of the commands that displays know."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from api_gateway.http.fields import Body, RequestId, absent
from parking_contracts.downlink_commands import LONGEST_TTL_SECONDS
from parking_contracts.lorawan import HIGHEST_APPLICATION_PORT, LOWEST_APPLICATION_PORT
from parking_contracts.space import SpaceState

# No LoRaWAN data rate carries more; in hex with separators, or base64.
LONGEST_TEXT = 1000
Channel = Annotated[int, Field(ge=0, le=255, examples=[255])]
Centiseconds = Annotated[int, Field(ge=0, le=255)]


class ColourCommand(Body):
    """Light up. Known by `kuando_busylight`, and by `generic_rgb` as far as steady."""

    command: Literal["colour"]
    red: Channel
    green: Channel
    blue: Channel
    on_centiseconds: Centiseconds = Field(default=255, description="how long it is lit, in 1/100 s")
    off_centiseconds: Centiseconds = Field(default=0, description="how long it is dark, in 1/100 s; 0: steady")
    request_report: bool = Field(default=False, description="ask the display to answer with a report")


class StateCommand(Body):
    """Show a space's state in the display's own words. Known by `heltec_sign`."""

    command: Literal["state"]
    state: SpaceState


class CountCommand(Body):
    """Show a number. Known by `heltec_sign`, up to 9999."""

    command: Literal["count"]
    count: int = Field(ge=0, le=9999, examples=[24])


class ReportNowCommand(Body):
    """Ask for a report now. Known by `kuando_busylight`."""

    command: Literal["report_now"]


class ReportIntervalCommand(Body):
    """Set how often the display reports by itself. Known by `kuando_busylight`."""

    command: Literal["report_interval"]
    minutes: int = Field(ge=1, le=255, examples=[15])


class AutomaticReplyCommand(Body):
    """Make the display answer every downlink with a report, or stop that. Known by `kuando_busylight`."""

    command: Literal["automatic_reply"]
    enabled: bool


DisplayCommand = Annotated[
    ColourCommand | StateCommand | CountCommand | ReportNowCommand | ReportIntervalCommand | AutomaticReplyCommand,
    Field(discriminator="command"),
]


def _one_of_two(schema: dict[str, Any]) -> None:
    schema["oneOf"] = [{"required": ["payload"]}, {"required": ["command"]}]


class NewDownlink(Body):
    """Either bytes, or a command that the display's codec turns into bytes."""

    model_config = ConfigDict(json_schema_extra=_one_of_two)

    payload: str = absent(
        min_length=1,
        max_length=LONGEST_TEXT,
        description="1 to 242 bytes as `encoding` says; spaces and `:` may stand between hex digits",
        examples=["ff0032ff00"],
    )
    encoding: Literal["hex", "base64"] = Field(default="hex", description="of `payload`")
    f_port: int | None = Field(
        default=None,
        ge=LOWEST_APPLICATION_PORT,
        le=HIGHEST_APPLICATION_PORT,
        description="of `payload`; without it the display's own port",
        examples=[15],
    )
    command: DisplayCommand = absent(description="what the display shall do")
    confirmed: bool = Field(default=False, description="ask the display to acknowledge it")
    ttl_seconds: int | None = Field(
        default=None,
        ge=1,
        le=LONGEST_TTL_SECONDS,
        description="for how long it may wait; without it `downlink_ttl_seconds` of the settings, an hour",
        examples=[600],
    )
    request_id: RequestId = None

    @model_validator(mode="after")
    def _either_or(self) -> Self:
        if ("payload" in self.model_fields_set) == ("command" in self.model_fields_set):
            raise ValueError("give either payload or command")
        if "command" in self.model_fields_set and self.f_port is not None:
            raise ValueError("f_port goes with a payload; a command is sent on the display's own port")
        return self


_COLOUR = {"command": "colour", "red": 255, "green": 50, "blue": 0}
EXAMPLES: dict[str, Any] = {
    "bytes": {"summary": "Bytes in hex", "value": {"payload": "ff0032ff00", "f_port": 15}},
    "confirmed": {
        "summary": "Bytes in base64, to be acknowledged within 10 minutes",
        "value": {"payload": "/wAy/wA=", "encoding": "base64", "f_port": 15, "confirmed": True, "ttl_seconds": 600},
    },
    "kuando_busylight": {
        "summary": "Kuando Busylight: flashing amber",
        "value": {"command": {**_COLOUR, "on_centiseconds": 100, "off_centiseconds": 100}},
    },
    "kuando_busylight_report": {
        "summary": "Kuando Busylight: report every 15 minutes",
        "value": {"command": {"command": "report_interval", "minutes": 15}},
    },
    "heltec_sign": {
        "summary": "Heltec sign: reserved",
        "value": {"command": {"command": "state", "state": "reserved"}},
    },
    "heltec_sign_counter": {
        "summary": "Heltec sign: 24 free spaces",
        "value": {"command": {"command": "count", "count": 24}},
    },
    "generic_rgb": {"summary": "Generic RGB light: steady amber", "value": {"command": _COLOUR}},
}
