"""From a state to bytes: defaults, a tenant's own colours, and displays that can do less."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downlink_dispatcher.domain.display import Display
from downlink_dispatcher.domain.policy import Shade, choose_codec, default_shade, orders_for_count, orders_for_state
from downlink_dispatcher.domain.wish import Facts, News, news, wish_of, withdrawn
from parking_codecs import CodecFaultError, Downlink, Registry, load_registry
from parking_codecs.codec import CodecError
from parking_codecs.generic_rgb import GenericRgb
from parking_contracts.space import SpaceState

REGISTRY = load_registry()
LIGHT, SIGN, RGB = (REGISTRY.displays[name] for name in ("kuando_busylight", "heltec_sign", "generic_rgb"))
BLINKING = Shade("00FF00", 50, 50)


@pytest.mark.parametrize(
    ("state", "light", "sign", "rgb"),
    [
        ("free", "0000ffff00", "01", "00ff00"),
        ("occupied", "ff0000ff00", "02", "ff0000"),
        ("reserved", "ff00ffff00", "03", "ffff00"),
        ("maintenance", "ff00a5ff00", "04", "ffa500"),
        ("unknown", "00ff00ff00", "04", "0000ff"),
    ],
)
def test_every_state_has_its_default_bytes_in_every_family(state: str, light: str, sign: str, rgb: str):
    made = [orders_for_state(codec, state, default_shade(state)).payload.hex() for codec in (LIGHT, SIGN, RGB)]
    assert made == [light, sign, rgb]


def test_a_light_blinks_if_it_can_and_answers_if_it_can():
    assert orders_for_state(LIGHT, "free", BLINKING).payload.hex() == "0000ff3232"
    assert orders_for_state(LIGHT, "free", BLINKING, report=True).payload.hex() == "0000ff323201"
    assert orders_for_state(RGB, "free", BLINKING, report=True).payload.hex() == "00ff00"


def test_a_sign_counts_and_a_light_cannot():
    assert orders_for_count(SIGN, 24).payload == b"24"
    with pytest.raises(CodecError):
        orders_for_count(LIGHT, 24)
    with pytest.raises(CodecError):
        orders_for_count(SIGN, 10_000)


@pytest.mark.parametrize("made", [Downlink(257, b"1"), Downlink(0, b"1"), Downlink(1, b""), Downlink(1, b"x" * 243)])
def test_what_no_network_server_would_take_goes_no_further(made: Downlink):
    class Careless(GenericRgb):
        def encode(self, command: object) -> Downlink:
            return made

    registry = Registry()
    registry.add(Careless(name="careless"), "a test")
    with pytest.raises(CodecFaultError, match="cannot be sent"):
        orders_for_state(registry.displays["careless"], "free", default_shade("free"))


@given(
    state=st.sampled_from(SpaceState),
    colour=st.binary(min_size=3, max_size=3),
    on=st.integers(0, 255),
    off=st.integers(0, 255),
    report=st.booleans(),
)
def test_whatever_the_policy_every_family_has_bytes_for_every_state(state, colour, on, off, report):
    for codec in REGISTRY.displays.values():
        orders = orders_for_state(codec, state, Shade(colour.hex().upper(), on, off), report=report)
        assert orders == orders_for_state(codec, state, Shade(colour.hex().upper(), on, off), report=report)
        assert codec.encode(orders.command) == Downlink(orders.f_port, orders.payload)


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ({"codec": "heltec_sign", "codec_in_use": "generic_rgb"}, SIGN),
        ({"codec_in_use": "generic_rgb", "profile_name": "Heltec Class C Sign"}, RGB),
        ({"profile_name": "Heltec Class C Sign"}, SIGN),
        ({"dev_eui": "2020200000000001"}, LIGHT),
        ({"profile_name": "Bosch TPS110"}, None),
        ({"codec": "not_installed"}, None),
        ({}, None),
    ],
)
def test_the_codec_is_chosen_by_setting_then_by_what_reads_then_by_profile_then_by_prefix(device, expected):
    none = {"dev_eui": "0101010101010101", "codec": None, "codec_in_use": None, "profile_name": None}
    assert choose_codec(REGISTRY, none | device) is expected


FACTS = Facts(
    tenant_id=UUID(int=1),
    dev_eui="0202020202020202",
    is_bound=True,
    space_id=UUID(int=2),
    state="occupied",
    space_version=7,
    shade=default_shade("occupied"),
)
COUNTER = Facts(tenant_id=UUID(int=1), dev_eui="0202", is_bound=True, counter_site_id=UUID(int=3), counter_zone="A")


def test_a_wish_says_what_it_is_for():
    wish = wish_of(FACTS, LIGHT, None, request_reports=False)
    assert (wish.desired, wish.payload.hex(), wish.f_port) == ("occupied", "ff0000ff00", 15)
    assert wish.cause == f"space:{UUID(int=2)}:7"
    assert wish.command["command"] == "colour"
    count = wish_of(COUNTER, SIGN, 12, request_reports=False)
    assert (count.desired, count.payload, count.space_id, count.cause) == ("12", b"12", None, f"site:{UUID(int=3)}:A")


@pytest.mark.parametrize(
    ("facts", "codec", "free"),
    [
        pytest.param(FACTS, None, None, id="no display"),
        pytest.param(Facts(tenant_id=UUID(int=1), dev_eui="02"), LIGHT, None, id="not its tenant's"),
        pytest.param(Facts(tenant_id=UUID(int=1), dev_eui="02", is_bound=True), LIGHT, None, id="on no space"),
        pytest.param(COUNTER, LIGHT, 12, id="a light that should count"),
    ],
)
def test_nothing_is_wished_of(facts, codec, free):
    assert wish_of(facts, codec, free, request_reports=False) is None


def display(**columns: object) -> Display:
    """A Busylight that shows something else."""
    given = {"desired": "free", "desired_payload": b"green", "desired_f_port": 15, "created_at": datetime.now(UTC)}
    return Display(tenant_id=UUID(int=1), dev_eui=FACTS.dev_eui, **{"codec": "kuando_busylight"} | given | columns)


def test_only_other_bytes_are_a_new_wish():
    wish = wish_of(FACTS, LIGHT, None, request_reports=False)
    told = {
        "desired": wish.desired,
        "desired_command": wish.command,
        "desired_f_port": wish.f_port,
        "desired_payload": wish.payload,
        "space_id": wish.space_id,
    }
    assert news(None, wish) is News.BYTES
    assert news(None, None) is News.NOTHING
    assert news(display(**told), wish) is News.NOTHING
    assert news(display(**told | {"desired": "unknown"}), wish) is News.WORDS
    assert news(display(**told | {"desired_payload": b"other"}), wish) is News.BYTES
    assert news(display(**told | {"codec": "heltec_sign"}), wish) is News.BYTES
    assert news(display(**told), None) is News.WORDS
    idle = withdrawn(display())
    at_rest = {"desired": idle.desired, "desired_payload": idle.payload, "space_id": idle.space_id}
    assert news(display(**at_rest), None) is News.NOTHING
