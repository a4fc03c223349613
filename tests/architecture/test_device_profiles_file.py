"""config/device_profiles.toml is read as the engine reads it, and its example says what the codec says anyway."""

from pathlib import Path

from occupancy_engine.decoders import Decoders, load_profiles
from occupancy_engine.domain.health import MISSED_HEARTBEATS
from parking_codecs.registry import load_registry

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "device_profiles.toml"


def test_the_shipped_profiles_name_installed_codecs() -> None:
    profiles = load_profiles(SHIPPED)
    assert profiles
    Decoders(load_registry(), profiles)


def test_the_shipped_profiles_change_nothing_until_somebody_edits_them() -> None:
    sensors = load_registry().sensors
    for name, profile in load_profiles(SHIPPED).items():
        codec = sensors[profile.codec or ""]
        assert name in codec.profile_names
        assert profile.heartbeat_seconds == codec.heartbeat_seconds
        assert (profile.missed_heartbeats, profile.confirm_seconds) == (MISSED_HEARTBEATS, 0)
