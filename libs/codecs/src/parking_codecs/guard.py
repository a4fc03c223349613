"""Between the platform and any codec, its own or a stranger's: what comes out keeps the promises of the protocols.

A codec and a frame or a command come in; an `Observation`, a `DisplayReport` or a `Downlink` that can be stored and
sent goes out, and otherwise `CodecError`, as a `CodecFaultError` where the codec is to blame. Whatever else a plug-in
raises would be taken for the caller's own trouble: an OSError for a database that is away, a CancelledError for the
end of the service.

One thing cannot be guarded against from within a thread: code that never returns. A plug-in is trusted that far.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, TypeVar, get_args

import msgspec

from parking_codecs.codec import CodecError, CodecFaultError, Observation, ObservationKind, SensorCodec
from parking_codecs.display import Colour, DisplayCodec, DisplayCommand, DisplayReport, DisplayState, Downlink
from parking_codecs.possible import CELSIUS, PERCENT, VOLTS, Bounds, possible
from parking_contracts.lorawan import LONGEST_PAYLOAD_BYTES, is_application_port

MOST_ATTRIBUTES: Final = 256
LONGEST_TEXT: Final = 1024
_LARGEST_NUMBER: Final = 2**63 - 1
_KINDS: Final = frozenset(get_args(ObservationKind))
_STATES: Final = frozenset(get_args(DisplayState))
_REPORTS: Final = frozenset({"report", "activation"})
_YES_NO_UNKNOWN: Final = frozenset({bool, type(None)})
_NUMBER_OR_NONE: Final = frozenset({float, int, type(None)})

_Said = TypeVar("_Said")


class GuardedSensor(SensorCodec):
    """A sensor codec that raises nothing but `CodecError` and invents nothing that cannot be."""

    def __init__(self, codec: SensorCodec) -> None:
        self.codec = codec
        self.name = codec.name
        self.profile_names, self.dev_eui_prefixes = codec.profile_names, codec.dev_eui_prefixes
        self.heartbeat_seconds = codec.heartbeat_seconds
        self.warning = getattr(codec, "warning", None)

    def decode(self, f_port: int, payload: bytes) -> Observation:
        """Read one uplink; a measurement that cannot be is left away."""
        if len(payload) > LONGEST_PAYLOAD_BYTES:
            raise _too_long(f_port, payload)
        read = _asked(self.name, self.codec.decode, f_port, payload)
        if type(read) is not Observation:
            raise _fault(self.name, f"returned {type(read).__name__} and no Observation")
        if type(read.kind) is not str or read.kind not in _KINDS or type(read.occupied) not in _YES_NO_UNKNOWN:
            raise _fault(self.name, f"returned kind {_word(read.kind)}, occupied {_word(read.occupied)}")
        _check_attributes(self.name, read.attributes)
        if read.battery_volts is read.battery_percent is read.temperature_celsius is None:
            return read
        return _possible(self.name, read)


class GuardedDisplay(DisplayCodec):
    """A display codec that raises nothing but `CodecError`, and sends nothing that no network server would take."""

    def __init__(self, codec: DisplayCodec) -> None:
        self.codec = codec
        self.name = codec.name
        self.profile_names, self.dev_eui_prefixes = codec.profile_names, codec.dev_eui_prefixes

    def encode(self, command: DisplayCommand) -> Downlink:
        """Turn a command into 1 to 242 bytes for an application port."""
        made = _asked(self.name, self.codec.encode, command)
        if type(made) is not Downlink or type(made.f_port) is not int or type(made.payload) is not bytes:
            raise _fault(self.name, f"made {type(made).__name__} and no Downlink")
        if not is_application_port(made.f_port) or not 1 <= len(made.payload) <= LONGEST_PAYLOAD_BYTES:
            problem = f"codec {self.name!r} made a downlink that cannot be sent"
            raise CodecFaultError(problem, f_port=made.f_port, length=len(made.payload))
        return made

    def decode(self, f_port: int, payload: bytes) -> DisplayReport:
        """Read one uplink of the display."""
        if len(payload) > LONGEST_PAYLOAD_BYTES:
            raise _too_long(f_port, payload)
        read = _asked(self.name, self.codec.decode, f_port, payload)
        if type(read) is not DisplayReport:
            raise _fault(self.name, f"returned {type(read).__name__} and no DisplayReport")
        if type(read.kind) is not str or read.kind not in _REPORTS or not _is_state(read.state):
            raise _fault(self.name, f"returned kind {_word(read.kind)}, state {_word(read.state)}")
        if not _is_colour(read.colour):
            raise _fault(self.name, "reported a colour that is none")
        _check_attributes(self.name, read.attributes)
        return read

    def shows(self, command: DisplayCommand, report: DisplayReport) -> bool | None:
        """Whether the report says that the command is what is shown; None if it does not tell."""
        answer = _asked(self.name, self.codec.shows, command, report)
        if type(answer) not in _YES_NO_UNKNOWN:
            raise _fault(self.name, f"answered {type(answer).__name__} where true, false or None was asked for")
        return answer


def _asked(name: str, question: Callable[..., _Said], *given: object) -> _Said:
    """A codec's answer; whatever it raises is a CodecError."""
    try:
        return question(*given)
    except (CodecError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise _failed(name, error) from error


def _failed(name: str, error: BaseException) -> CodecFaultError:
    try:
        words = str(error)[:200]
    except Exception:  # noqa: BLE001  a stranger's __str__ can raise anything
        words = "no words"
    text = words.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return CodecFaultError(f"codec {name!r} failed: {type(error).__name__}: {text}")


def _fault(name: str, what: str) -> CodecFaultError:
    return CodecFaultError(f"codec {name!r} is at fault: it {what}")


def _too_long(f_port: int, payload: bytes) -> CodecError:
    detail = f"no LoRaWAN frame carries more than {LONGEST_PAYLOAD_BYTES} bytes"
    return CodecError(detail, f_port=f_port, length=len(payload))


def _possible(name: str, read: Observation) -> Observation:
    volts = _measured(name, read.battery_volts, VOLTS)
    percent = _measured(name, read.battery_percent, PERCENT)
    celsius = _measured(name, read.temperature_celsius, CELSIUS)
    if volts is read.battery_volts and percent is read.battery_percent and celsius is read.temperature_celsius:
        return read
    return msgspec.structs.replace(read, battery_volts=volts, battery_percent=percent, temperature_celsius=celsius)


def _measured(name: str, value: float | None, bounds: Bounds) -> float | None:
    if type(value) not in _NUMBER_OR_NONE:
        raise _fault(name, f"measured {type(value).__name__}, which is no number")
    return possible(value, bounds)


def _check_attributes(name: str, attributes: dict[str, Any]) -> None:
    if type(attributes) is not dict or len(attributes) > MOST_ATTRIBUTES:
        raise _fault(name, f"told no dict of at most {MOST_ATTRIBUTES} attributes")
    for key, value in attributes.items():
        kind = type(value)
        if kind is int:
            storable = -_LARGEST_NUMBER <= value <= _LARGEST_NUMBER
        else:
            storable = kind is bool or (math.isfinite(value) if kind is float else _is_text(value))
        if not storable or not _is_text(key):
            raise _fault(name, f"told {_word(key)} as {kind.__name__}, which cannot be stored")


def _is_text(value: object) -> bool:
    """Whether PostgreSQL and JSON can hold it: no NUL, no half of a pair of surrogates, and not without end."""
    if type(value) is not str or len(value) > LONGEST_TEXT or "\0" in value:
        return False
    return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)


def _word(value: object) -> str:
    """A stranger's value in an error; what may have a __repr__ of its own is told by its type."""
    return ascii(value)[:100] if type(value) in {str, bool, int} else type(value).__name__


def _is_state(state: object) -> bool:
    return state is None or (type(state) is str and state in _STATES)


def _is_colour(colour: Colour | None) -> bool:
    if colour is None:
        return True
    if type(colour) is not Colour:
        return False
    parts = (colour.red, colour.green, colour.blue, colour.on_centiseconds, colour.off_centiseconds)
    return all(type(part) is int and 0 <= part <= 255 for part in parts)
