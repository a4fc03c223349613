"""Finding codecs through entry points, and choosing one: what is broken is reported and never in the way."""

import sys
import types
from collections.abc import Iterator
from importlib.metadata import EntryPoint

import pytest

from parking_codecs import CodecError, DisplayCodec, Observation, Registry, SensorCodec, load_registry
from parking_codecs.registry import ENTRY_POINT_GROUP

OWN_SENSORS = {
    "bosch_tps110",
    "browan_tbms100",
    "dingtek_do200",
    "libelium_smart_parking_v2",
    "milesight_em400_mud",
    "moko_lw009",
    "nwave_nps310",
    "nwave_nps405",
    "pni_placepod",
    "tekzitel_tekzipark",
}
OWN_DISPLAYS = {"generic_rgb", "heltec_sign", "kuando_busylight", "milesight_ds3604"}


class Acme(SensorCodec):
    def __init__(self, **constants: object) -> None:
        self.name = "acme"
        self.heartbeat_seconds = 600
        for attribute, value in constants.items():
            setattr(self, attribute, value)

    def decode(self, f_port: int, payload: bytes) -> Observation:
        return Observation(kind="other")


@pytest.fixture
def acme_module() -> Iterator[types.ModuleType]:
    module = types.ModuleType("acme_codecs_under_test")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, ENTRY_POINT_GROUP)


def test_installed_package_registers_every_family() -> None:
    registry = load_registry()
    assert registry.errors == []
    assert set(registry.sensors) >= OWN_SENSORS
    assert set(registry.displays) >= OWN_DISPLAYS


@pytest.mark.parametrize(
    ("explicit", "profile", "dev_eui", "name", "by"),
    [
        ("nwave_nps405", "Bosch TPS110", "58a0cb0000000001", "nwave_nps405", "setting"),
        (None, "Bosch TPS110", "58a0cb0000000001", "bosch_tps110", "profile"),
        ("", "Bosch TPS110", "0101010101010101", "bosch_tps110", "profile"),
        (None, "bosch tps110", "58a0cb0000000001", "browan_tbms100", "dev_eui_prefix"),
        (None, None, "58a0cb0000000001", "browan_tbms100", "dev_eui_prefix"),
        (None, None, "58A0CB0000000001", "browan_tbms100", "dev_eui_prefix"),
        (None, None, "70b3d57ed0067001", "heltec_sign", "dev_eui_prefix"),
        (None, "Something else", "2020203705180102", "kuando_busylight", "dev_eui_prefix"),
        ("kuando_busylight", None, "0101010101010101", "kuando_busylight", "setting"),
    ],
)
def test_codec_is_chosen_by_setting_then_profile_then_dev_eui(
    explicit: str | None, profile: str | None, dev_eui: str, name: str, by: str
) -> None:
    choice = load_registry().choose(explicit, profile, dev_eui)
    assert choice is not None
    assert (choice.name, choice.by) == (name, by)
    assert (choice.sensor is None) is (name in OWN_DISPLAYS)
    assert (choice.display is None) is (name in OWN_SENSORS)


def test_unknown_device_has_no_codec() -> None:
    assert load_registry().choose(None, "Unheard of", "70b3d57ed0050001") is None
    assert load_registry().choose(None, None, "") is None


def test_setting_that_names_no_codec_is_an_error_and_no_guess() -> None:
    with pytest.raises(CodecError, match="'bosh_tps110'; installed are: bosch_tps110"):
        load_registry().choose("bosh_tps110", "Bosch TPS110", "0101010101010101")


def test_longest_dev_eui_prefix_wins() -> None:
    registry = Registry()
    registry.add(Acme(name="wide", dev_eui_prefixes=("70b3d5",)), "test")
    registry.add(Acme(name="narrow", dev_eui_prefixes=("70b3d57ed006",)), "test")
    narrow = registry.choose(None, None, "70b3d57ed0067001")
    wide = registry.choose(None, None, "70b3d50000000000")
    assert narrow is not None
    assert wide is not None
    assert (narrow.name, wide.name) == ("narrow", "wide")


def test_codec_of_another_package_is_found(acme_module: types.ModuleType) -> None:
    acme_module.CODEC = Acme(profile_names=("Acme Bay Sensor",))  # type: ignore[attr-defined]  made for the test
    registry = load_registry([entry("acme", "acme_codecs_under_test:CODEC")])
    assert registry.errors == []
    assert list(registry.sensors) == ["acme"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("no_such_module_anywhere:CODEC", "cannot be loaded: ModuleNotFoundError"),
        ("acme_codecs_under_test:MISSING", "cannot be loaded: AttributeError"),
        ("acme_codecs_under_test:RAISES.at_once", "cannot be loaded: ZeroDivisionError"),
        ("acme_codecs_under_test:CLASS", "Acme is a class"),
        ("acme_codecs_under_test:TEXT", "has no method decode"),
    ],
)
def test_broken_entry_point_is_reported_and_the_others_work(
    acme_module: types.ModuleType, value: str, reason: str
) -> None:
    class Raises:
        def __getattr__(self, name: str) -> object:
            raise ZeroDivisionError

    vars(acme_module).update(CODEC=Acme(), CLASS=Acme, TEXT="codec", RAISES=Raises())
    registry = load_registry([entry("broken", value), entry("works", "acme_codecs_under_test:CODEC")])
    assert list(registry.sensors) == ["acme"]
    assert len(registry.errors) == 1
    assert reason in registry.errors[0]
    assert "'broken'" in registry.errors[0]


@pytest.mark.parametrize(
    ("constants", "reason"),
    [
        ({"name": ""}, "has no name"),
        ({"heartbeat_seconds": 0}, "heartbeat_seconds of 'acme' must be a whole number above 0"),
        ({"heartbeat_seconds": True}, "heartbeat_seconds"),
        ({"heartbeat_seconds": "60"}, "heartbeat_seconds"),
        ({"profile_names": "Acme"}, "profile_names of 'acme' must be a tuple"),
        ({"dev_eui_prefixes": ("58A0CB",)}, "lower-case hex"),
        ({"dev_eui_prefixes": ("58:a0",)}, "lower-case hex"),
        ({"decode": None}, "has no method decode"),
        ({"encode": lambda command: command}, "has no method shows"),
    ],
)
def test_incomplete_codec_is_refused_with_reason(constants: dict[str, object], reason: str) -> None:
    registry = Registry()
    registry.add(Acme(**constants), "test")
    assert not registry.sensors
    assert not registry.displays
    assert reason in registry.errors[0]


def test_second_claim_to_a_name_a_profile_or_a_prefix_is_an_error_and_the_first_keeps_it() -> None:
    registry = Registry()
    first = Acme(profile_names=("Bay",), dev_eui_prefixes=("aa",))
    registry.add(first, "first")
    registry.add(Acme(), "second")
    registry.add(Acme(name="third", profile_names=("Bay", "Other"), dev_eui_prefixes=("aa",)), "third")
    assert registry.errors == [
        "second: a codec named 'acme' is already installed; choose another name",
        "third: profile name 'Bay' already belongs to codec 'acme'",
        "third: DevEUI prefix 'aa' already belongs to codec 'acme'",
    ]
    by_profile = registry.choose(None, "Bay", "bb")
    assert by_profile is not None
    assert by_profile.sensor is registry.sensors["acme"]
    assert vars(registry.sensors["acme"])["codec"] is first
    other = registry.choose(None, "Other", "bb")
    assert other is not None
    assert other.name == "third"


def test_unfinished_subclass_cannot_be_made() -> None:
    class Unfinished(DisplayCodec):
        name = "unfinished"

    with pytest.raises(TypeError, match="abstract"):
        Unfinished()  # type: ignore[abstract]  what the test is about
