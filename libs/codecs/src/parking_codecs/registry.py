"""Finds the installed codecs and chooses one for a device.

Entry points of the group `parkstream.codecs` come in, from this package and from anybody else's; a `Registry` goes
out. Each entry point names an object that is a `SensorCodec` or a `DisplayCodec` (an instance, not a class).
What cannot be used is never fatal and never silent: it becomes a sentence in `Registry.errors`, which `/health` and
`parkstream doctor` show, and every other codec keeps working. Each is given out behind its guard.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from parking_codecs.codec import CodecError, SensorCodec
from parking_codecs.display import DisplayCodec
from parking_codecs.guard import GuardedDisplay, GuardedSensor

ENTRY_POINT_GROUP = "parkstream.codecs"
_OWN_DISTRIBUTION = "parking-codecs"
_DEV_EUI_PREFIX = re.compile(r"[0-9a-f]{1,16}")


@dataclass(frozen=True, slots=True)
class Choice:
    """The codec for a device, and what chose it. Exactly one of `sensor` and `display` is set."""

    name: str
    by: Literal["setting", "profile", "dev_eui_prefix"]
    sensor: SensorCodec | None
    display: DisplayCodec | None


@dataclass(slots=True)
class Registry:
    """Every usable codec by name, and one sentence per entry point (or claim) that could not be used."""

    sensors: dict[str, SensorCodec] = field(default_factory=dict)
    displays: dict[str, DisplayCodec] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    _by_profile: dict[str, str] = field(default_factory=dict)
    _by_prefix: dict[str, str] = field(default_factory=dict)

    def choose(self, explicit: str | None, profile_name: str | None, dev_eui: str) -> Choice | None:
        """Choose by the device's own setting, else its exact profile name, else the longest DevEUI prefix.

        `dev_eui` is 16 hex digits without separators. Returns None when nothing matches. Raises `CodecError` when
        the setting names a codec that is not installed: another codec would misread the device's bytes.
        """
        if explicit:
            if explicit not in self.sensors and explicit not in self.displays:
                installed = ", ".join(sorted([*self.sensors, *self.displays]))
                raise CodecError(f"the device asks for codec {explicit!r}; installed are: {installed}")
            return self._choice(explicit, "setting")
        if profile_name is not None and profile_name in self._by_profile:
            return self._choice(self._by_profile[profile_name], "profile")
        eui = dev_eui.lower()
        for length in range(len(eui), 0, -1):
            if name := self._by_prefix.get(eui[:length]):
                return self._choice(name, "dev_eui_prefix")
        return None

    def _choice(self, name: str, by: Literal["setting", "profile", "dev_eui_prefix"]) -> Choice:
        return Choice(name, by, self.sensors.get(name), self.displays.get(name))

    def add(self, codec: object, origin: str) -> None:
        """Add one codec, or say in `errors` why not. Who comes first keeps a name, a profile or a prefix."""
        if complaint := _complaint(codec):
            self.errors.append(f"{origin}: {complaint}")
            return
        usable = cast("SensorCodec | DisplayCodec", codec)
        if usable.name in self.sensors or usable.name in self.displays:
            self.errors.append(f"{origin}: a codec named {usable.name!r} is already installed; choose another name")
            return
        if hasattr(codec, "encode"):
            self.displays[usable.name] = GuardedDisplay(cast("DisplayCodec", codec))
        else:
            self.sensors[usable.name] = GuardedSensor(cast("SensorCodec", codec))
        self._claim("profile name", self._by_profile, usable.profile_names, usable.name, origin)
        self._claim("DevEUI prefix", self._by_prefix, usable.dev_eui_prefixes, usable.name, origin)

    def _claim(self, what: str, claims: dict[str, str], wanted: tuple[str, ...], name: str, origin: str) -> None:
        for value in wanted:
            if (holder := claims.setdefault(value, name)) != name:
                self.errors.append(f"{origin}: {what} {value!r} already belongs to codec {holder!r}")


def load_registry(entry_points: Iterable[importlib.metadata.EntryPoint] | None = None) -> Registry:
    """Load every codec of the entry-point group, this package's own first, then by distribution and name."""
    if entry_points is None:
        entry_points = importlib.metadata.entry_points(group=ENTRY_POINT_GROUP)
    registry = Registry()
    for entry_point in sorted(entry_points, key=_own_first):
        origin = f"entry point {entry_point.name!r} of {_distribution(entry_point) or 'an unnamed package'}"
        try:
            codec = entry_point.load()
        except Exception as error:  # noqa: BLE001  importing somebody else's module can raise anything
            registry.errors.append(f"{origin} cannot be loaded: {type(error).__name__}: {error}")
            continue
        registry.add(codec, origin)
    return registry


def _distribution(entry_point: importlib.metadata.EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist is not None else ""


def _own_first(entry_point: importlib.metadata.EntryPoint) -> tuple[bool, str, str]:
    distribution = _distribution(entry_point)
    return (distribution != _OWN_DISTRIBUTION, distribution, entry_point.name)


def _complaint(codec: Any) -> str | None:
    """Say what keeps an object from being a codec, or None. Looks, and calls nothing."""
    if isinstance(codec, type):
        return f"{codec.__name__} is a class; name an instance of it in the entry point"
    is_display = hasattr(codec, "encode")
    methods = ("decode", "encode", "shows") if is_display else ("decode",)
    if missing := [method for method in methods if not callable(getattr(codec, method, None))]:
        return f"{type(codec).__name__} has no method {missing[0]}"
    name = getattr(codec, "name", None)
    if not isinstance(name, str) or not name:
        return f"{type(codec).__name__} has no name"
    heartbeat = 1 if is_display else getattr(codec, "heartbeat_seconds", None)
    if isinstance(heartbeat, bool) or not isinstance(heartbeat, int) or heartbeat <= 0:
        return f"heartbeat_seconds of {name!r} must be a whole number above 0, not {heartbeat!r}"
    return _claims_complaint(codec)


def _claims_complaint(codec: Any) -> str | None:
    for attribute in ("profile_names", "dev_eui_prefixes"):
        values = getattr(codec, attribute, None)
        if not isinstance(values, tuple) or not all(isinstance(value, str) and value for value in values):
            return f"{attribute} of {codec.name!r} must be a tuple of texts, not {values!r}"
    if bad := [prefix for prefix in codec.dev_eui_prefixes if not _DEV_EUI_PREFIX.fullmatch(prefix)]:
        return f"DevEUI prefix {bad[0]!r} of {codec.name!r} must be 1 to 16 lower-case hex digits"
    return None
