"""What a sensor codec is: fPort and payload bytes come in, an `Observation` goes out, and nothing else happens.

A codec is pure: no clock, no I/O, no state between two frames. It is owned by nobody at run time; the occupancy
engine calls it inside its batch, the simulator and the re-decoding command call the very same object.
The only exception a codec may raise for a payload is `CodecError`: whoever catches it has caught everything.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal, Protocol

import msgspec

Scalar = bool | int | float | str
"""What an attribute may be: JSON's scalars, so that a reading can be stored and shown as it is."""

ObservationKind = Literal["start_up", "change", "heartbeat", "configuration", "tag", "other"]
"""Why a device sent a frame. `change` is an arrival or a departure, `tag` a driver's badge, `other` anything else."""


class CodecError(ValueError):
    """A payload, a decoded object or a display command that a codec cannot read or express.

    `detail` says what was found and what was expected; `f_port` and `length` (bytes) are those of the frame, or
    None where there is no frame (a command, a decoded object).
    """

    def __init__(self, detail: str, *, f_port: int | None = None, length: int | None = None) -> None:
        self.detail = detail
        self.f_port = f_port
        self.length = length
        where = []
        if f_port is not None:
            where.append(f"fPort {f_port}")
        if length is not None:
            where.append("1 byte" if length == 1 else f"{length} bytes")
        super().__init__(f"{detail} ({', '.join(where)})" if where else detail)


class CodecFaultError(CodecError):
    """Not the payload is at fault but the codec: it raised, returned or made what no codec may.

    Another frame or another command may fare better; the codec's author must mend it.
    """


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """What one frame says about one parking space and the device in it.

    `occupied` is None when the frame does not tell: the state stays what it was, and the device is alive.
    Battery in volts or in per cent of full, as the device reports it, temperature in degrees Celsius.
    `attributes` holds everything else worth keeping (firmware, debug codes, magnetometer, ...), units in the names.
    """

    kind: ObservationKind
    occupied: bool | None = None
    battery_volts: float | None = None
    battery_percent: float | None = None
    temperature_celsius: float | None = None
    attributes: dict[str, Scalar] = {}


class SensorCodec(Protocol):
    """The bytes of one sensor family. Subclass it, fill in the five constants, write `decode`.

    name: what a device setting and the registry call it; snake_case, unique among all installed codecs.
    profile_names: ChirpStack device-profile names that choose this codec, compared exactly.
    dev_eui_prefixes: lower-case hex prefixes that choose it when neither setting nor profile does.
    heartbeat_seconds: how often the device reports by itself as it leaves the factory; silence is judged by it
        unless the device's own setting says otherwise.
    warning: what an operator must know before trusting this sensor in a parking bay, or None.
    """

    name: str
    profile_names: tuple[str, ...] = ()
    dev_eui_prefixes: tuple[str, ...] = ()
    heartbeat_seconds: int
    warning: str | None = None

    @abstractmethod
    def decode(self, f_port: int, payload: bytes) -> Observation:
        """Read one uplink. Raises `CodecError`, and only that, for whatever the family does not send.

        MAC-only frames (fPort 0 or no data) never get here; an empty payload is a `CodecError` all the same.
        """
        ...
