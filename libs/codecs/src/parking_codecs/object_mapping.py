"""Reads the `object` that ChirpStack's own codec decoded, by configuration instead of by code.

A decoded `object` (JSON, any shape) and an `ObjectMapping` come in, an `Observation` goes out. The occupancy engine
uses it for devices whose payload no installed codec reads; the mapping belongs to the device's application or device.
"""

from __future__ import annotations

import math
import re
from typing import Any, Literal

import msgspec

from parking_codecs.codec import CodecError, Observation
from parking_codecs.possible import CELSIUS, PERCENT, VOLTS, possible

MappedValue = bool | int | float | str
_LARGEST_EXACT_NUMBER = 2**53
_DEEPEST_PATH = 16
_LIST_INDEX = re.compile(r"[0-9]{1,6}")


class ObjectMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the state and the readings lie in a decoded object.

    Paths are dotted keys ("status.occupied"); a number walks into a list ("sensors.0.state"). A value is compared
    as text without case, so "1" also means 1 and 1.0, and true also means "TRUE"; true and 1 stay apart.
    A frame without the occupied path is refused; a battery or temperature that is missing, or cannot be, is only a
    missing reading.
    """

    occupied_path: str
    occupied_values: tuple[MappedValue, ...] = (True, 1, "occupied")
    free_values: tuple[MappedValue, ...] = (False, 0, "free", "vacant", "empty")
    battery_path: str | None = None
    battery_unit: Literal["volts", "millivolts", "percent"] = "volts"
    temperature_path: str | None = None
    temperature_unit: Literal["celsius", "fahrenheit"] = "celsius"

    def __post_init__(self) -> None:
        """Refuse a mapping that could never work; msgspec reports it as a ValidationError."""
        for path in (self.occupied_path, self.battery_path, self.temperature_path):
            if path is not None and (not all(path.split(".")) or path.count(".") >= _DEEPEST_PATH):
                raise ValueError(f"expected up to {_DEEPEST_PATH} dotted keys, not {path!r}")
        if not self.occupied_values or not self.free_values:
            raise ValueError("expected at least one value meaning occupied and one meaning free")
        both = {_comparable(value) for value in self.occupied_values} & {
            _comparable(value) for value in self.free_values
        }
        if both:
            raise ValueError(f"{min(both)!r} cannot mean occupied and free at once")

    def decode(self, decoded_object: Any) -> Observation:
        """Read one decoded object. Raises `CodecError` for a missing state, an odd type or a number that is none."""
        found, value = _walk(decoded_object, self.occupied_path)
        if not found:
            raise CodecError(f"the decoded object has nothing at {self.occupied_path!r}")
        text = _comparable(value, self.occupied_path)
        if text in {_comparable(meaning) for meaning in self.occupied_values}:
            occupied = True
        elif text in {_comparable(meaning) for meaning in self.free_values}:
            occupied = False
        else:
            raise CodecError(f"{text[:40]!r} at {self.occupied_path!r} means neither occupied nor free")
        battery = self._reading(decoded_object, self.battery_path)
        if battery is not None and self.battery_unit == "millivolts":
            battery /= 1000
        temperature = self._reading(decoded_object, self.temperature_path)
        if temperature is not None and self.temperature_unit == "fahrenheit":
            temperature = (temperature - 32) * 5 / 9
        return Observation(
            kind="other",
            occupied=occupied,
            battery_percent=possible(battery, PERCENT) if self.battery_unit == "percent" else None,
            battery_volts=None if self.battery_unit == "percent" else possible(battery, VOLTS),
            temperature_celsius=possible(temperature, CELSIUS),
        )

    @staticmethod
    def _reading(decoded_object: Any, path: str | None) -> float | None:
        if path is None:
            return None
        found, value = _walk(decoded_object, path)
        if not found or value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise CodecError(f"expected a number at {path!r}, not {type(value).__name__}")
        # Comparing first: float() of a huge int raises, and NaN fails every comparison.
        if not -_LARGEST_EXACT_NUMBER <= value <= _LARGEST_EXACT_NUMBER:
            raise CodecError(f"the number at {path!r} is no measurement")
        return float(value)


def _walk(value: Any, path: str) -> tuple[bool, Any]:
    for key in path.split("."):
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and _LIST_INDEX.fullmatch(key) and int(key) < len(value):
            value = value[int(key)]
        else:
            return False, None
    return True, value


def _comparable(value: Any, path: str = "values") -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.strip().casefold()
    if isinstance(value, int | float):
        if not -_LARGEST_EXACT_NUMBER <= value <= _LARGEST_EXACT_NUMBER:
            raise CodecError(f"the number at {path!r} is no state")
        return str(int(value)) if math.floor(value) == value else repr(value)
    raise CodecError(f"expected a text, a number or true/false at {path!r}, not {type(value).__name__}")
