"""Which decoder reads a device's frames, and how often that device should be heard.

Chosen by the device's own setting, its exact profile name, its DevEUI prefix, or ChirpStack's decoded `object` through
the application's mapping. A deployment may override a codec's intervals per profile in a TOML file.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from occupancy_engine.domain.health import MISSED_HEARTBEATS, silence_seconds
from parking_chassis.dead_letters import UNREADABLE
from parking_codecs.codec import CodecError, Observation
from parking_codecs.object_mapping import ObjectMapping
from parking_codecs.registry import Registry
from parking_contracts.uplink import UplinkReceived

OBJECT = "object"
DISPLAY_INTERVAL_SECONDS = 3600
REMEMBERED_CHOICES = 500_000
OBJECT_INTERVAL_SECONDS = 86_400


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A deployment's word on one ChirpStack device profile."""

    codec: str | None = None
    heartbeat_seconds: int | None = None
    missed_heartbeats: int = MISSED_HEARTBEATS
    confirm_seconds: int = 0
    stuck_days: float | None = None
    battery_low_percent: float | None = None
    battery_low_volts: float | None = None


_NO_PROFILE = Profile()


class Decoder(msgspec.Struct, frozen=True):
    """How to read a device: it reports every `interval_seconds` and counts as silent after `silence_seconds`.

    What `is_display` tells what it shows, and nothing about the space.
    """

    name: str
    interval_seconds: int
    silence_seconds: int
    confirm_seconds: int
    decode: Callable[[UplinkReceived], Observation]
    is_display: bool = False


def load_profiles(path: Path | None) -> dict[str, Profile]:
    """Read `[profiles."<device profile>"]` tables; no path, no overrides. Raises ValueError with the entry at fault."""
    if path is None:
        return {}
    try:
        return msgspec.convert(tomllib.loads(path.read_text()).get("profiles", {}), dict[str, Profile])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, OSError) as error:
        raise ValueError(f"device profiles file {path}: {error}") from error


class Decoders:
    """Finds the decoder of a device, and remembers it."""

    def __init__(self, registry: Registry, profiles: Mapping[str, Profile]) -> None:
        known = {*registry.sensors, *registry.displays}
        if unknown := {profile.codec for profile in profiles.values() if profile.codec} - known:
            raise ValueError(f"device profiles name codecs that are not installed: {', '.join(sorted(unknown))}")
        self.registry = registry
        self._profiles = profiles
        self._chosen: dict[tuple[str | None, int | None, str, str], Decoder | None] = {}

    def profile(self, name: str) -> Profile:
        """What the deployment says of a device profile, if anything."""
        return self._profiles.get(name, _NO_PROFILE)

    async def complaints(self) -> str | None:
        """A health warning: the installed codecs that cannot be used."""
        return "; ".join(self.registry.errors) or None

    def find(
        self,
        uplink: UplinkReceived,
        *,
        codec: str | None,
        heartbeat_seconds: int | None,
        mapping: ObjectMapping | None,
    ) -> Decoder | None:
        """The decoder for this frame, or None: then the frame waits as an orphan.

        Raises:
            CodecError: The device's setting names a codec that is not installed.
        """
        key = (codec, heartbeat_seconds, uplink.device_profile_name, uplink.dev_eui)
        if key not in self._chosen:
            if len(self._chosen) >= REMEMBERED_CHOICES:
                self._chosen.clear()
            self._chosen[key] = self._choose(uplink, codec, heartbeat_seconds)
        decoder = self._chosen[key]
        if decoder is None and mapping is not None and bytes(uplink.object) != b"null":
            return self._mapped(uplink, mapping, heartbeat_seconds)
        return decoder

    def _choose(self, uplink: UplinkReceived, codec: str | None, heartbeat_seconds: int | None) -> Decoder | None:
        profile = self.profile(uplink.device_profile_name)
        choice = self.registry.choose(codec or profile.codec, uplink.device_profile_name, uplink.dev_eui)
        if choice is None:
            return None
        if choice.sensor is not None:
            sensor = choice.sensor
            interval = heartbeat_seconds or profile.heartbeat_seconds or sensor.heartbeat_seconds
            return _decoder(choice.name, interval, profile, lambda one: sensor.decode(one.f_port, one.data))
        display = choice.display
        assert display is not None  # noqa: S101  a choice is a sensor or a display

        def read_report(one: UplinkReceived) -> Observation:
            display.decode(one.f_port, one.data)
            return Observation(kind="other")

        interval = heartbeat_seconds or profile.heartbeat_seconds or DISPLAY_INTERVAL_SECONDS
        return _decoder(choice.name, interval, profile, read_report, is_display=True)

    def _mapped(self, uplink: UplinkReceived, mapping: ObjectMapping, heartbeat_seconds: int | None) -> Decoder:
        profile = self.profile(uplink.device_profile_name)
        interval = heartbeat_seconds or profile.heartbeat_seconds or OBJECT_INTERVAL_SECONDS
        return _decoder(OBJECT, interval, profile, lambda one: mapping.decode(_json(one.object)))


def _decoder(
    name: str,
    interval: int,
    profile: Profile,
    decode: Callable[[UplinkReceived], Observation],
    *,
    is_display: bool = False,
) -> Decoder:
    silent_after = silence_seconds(interval, profile.missed_heartbeats)
    return Decoder(name, interval, silent_after, profile.confirm_seconds, decode, is_display)


def _json(raw: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(raw)
    except UNREADABLE as error:
        raise CodecError(f"the decoded object is not JSON: {error}") from error
