"""What a display should show: a space's state by its tenant's colours, or a count, in the display's own bytes.

A sign that knows states is told the state; a light is told a colour. What a family of displays cannot do (blink, answer
with a report) is left away before the display is given up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from parking_codecs.codec import CodecError, CodecFaultError
from parking_codecs.display import (
    DisplayCodec,
    DisplayCommand,
    ShowColour,
    ShowCount,
    ShowState,
)
from parking_codecs.registry import Registry
from parking_contracts.downlink import DEFAULT_COLOURS, DEFAULT_OFF_CENTISECONDS, DEFAULT_ON_CENTISECONDS
from parking_contracts.space import SpaceState


class Shade(msgspec.Struct, frozen=True):
    """How a state is shown: RRGGBB, on and off times in 1/100 s; an off time of 0 is steady."""

    colour: str
    on_centiseconds: int = DEFAULT_ON_CENTISECONDS
    off_centiseconds: int = DEFAULT_OFF_CENTISECONDS


class Orders(msgspec.Struct, frozen=True):
    """What a display is told: the command, and its bytes for `f_port`."""

    command: DisplayCommand
    f_port: int
    payload: bytes


def default_shade(state: str) -> Shade:
    """How a state is shown where its tenant has not said otherwise."""
    return Shade(DEFAULT_COLOURS[SpaceState(state)])


def orders_for_state(codec: DisplayCodec, state: str, shade: Shade, *, report: bool = False) -> Orders:
    """The best a display can do to show a state; with `report` it is asked to answer, if it can.

    Raises CodecError: the display has no way to show a space's state.
    """
    return _first_known(codec, _ways_to_show(SpaceState(state), shade, report=report))


def orders_for_count(codec: DisplayCodec, count: int) -> Orders:
    """A number, such as the free spaces of a zone. Raises CodecError: the display cannot show it."""
    return _first_known(codec, [ShowCount(count)])


def choose_codec(registry: Registry, device: Mapping[str, Any]) -> DisplayCodec | None:
    """The display codec of a device: its setting, else what reads its frames, else its profile's or its prefix's.

    `device` has dev_eui, codec, codec_in_use and profile_name. None: it is no display, as far as we know.
    """
    if named := device["codec"] or device["codec_in_use"]:
        return registry.displays.get(named)
    choice = registry.choose(None, device["profile_name"], device["dev_eui"])
    return choice.display if choice is not None else None


def _ways_to_show(state: SpaceState, shade: Shade, *, report: bool) -> list[DisplayCommand]:
    """From the best down."""
    red, green, blue = bytes.fromhex(shade.colour)
    times = shade.on_centiseconds, shade.off_centiseconds
    lights = [ShowColour(red, green, blue, *times), ShowColour(red, green, blue)]
    asked = [msgspec.structs.replace(light, request_report=True) for light in lights] if report else []
    return [ShowState(state.value), *asked, *lights]


def _first_known(codec: DisplayCodec, commands: Iterable[DisplayCommand]) -> Orders:
    refusal: CodecError | None = None
    for command in commands:
        try:
            downlink = codec.encode(command)
        except CodecFaultError:
            raise
        except CodecError as error:
            refusal = error
        else:
            return Orders(command, downlink.f_port, downlink.payload)
    raise refusal or CodecError(f"{codec.name} was asked for nothing")
