"""Pure codecs between LoRaWAN payload bytes and parking observations or display commands.

The public names of the package; each device family lives in a module of its own and is found by its entry point.
"""

from parking_codecs.codec import CodecError, CodecFaultError, Observation, ObservationKind, Scalar, SensorCodec
from parking_codecs.display import (
    Colour,
    DisplayCodec,
    DisplayCommand,
    DisplayReport,
    DisplayState,
    Downlink,
    RequestReport,
    SendRaw,
    SetAutomaticReply,
    SetReportInterval,
    ShowColour,
    ShowCount,
    ShowState,
    ShowText,
)
from parking_codecs.object_mapping import ObjectMapping
from parking_codecs.registry import Choice, Registry, load_registry

__all__ = [
    "Choice",
    "CodecError",
    "CodecFaultError",
    "Colour",
    "DisplayCodec",
    "DisplayCommand",
    "DisplayReport",
    "DisplayState",
    "Downlink",
    "ObjectMapping",
    "Observation",
    "ObservationKind",
    "Registry",
    "RequestReport",
    "Scalar",
    "SendRaw",
    "SensorCodec",
    "SetAutomaticReply",
    "SetReportInterval",
    "ShowColour",
    "ShowCount",
    "ShowState",
    "ShowText",
    "load_registry",
]
