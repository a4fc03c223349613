"""A DevEUI in any notation people write it, and the ones that are none."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking_contracts.device import DevEui, parse_eui

EUI = "70b3d57ed0061a2b"


@pytest.mark.parametrize(
    "text",
    [
        "70b3d57ed0061a2b",
        "70B3D57ED0061A2B",
        "70:b3:d5:7e:d0:06:1a:2b",
        "70-B3-D5-7E-D0-06-1A-2B",
        "70 b3 d5 7e d0 06 1a 2b",
        "70b3-d57e-d006-1a2b",
        " 70b3d57e d0061a2b ",
        "70:b3-d5 7ed0061a2b",
    ],
)
def test_a_notation_is_read(text: str) -> None:
    assert parse_eui(text) == EUI


@pytest.mark.parametrize(
    "text",
    [
        "",
        "70b3d57ed0061a2",
        "70b3d57ed0061a2b0",
        "0x70b3d57ed0061a2b",
        "70b3d57ed0061a2g",
        "70b3.d57e.d006.1a2b",
        "70b3d57ed0061a2b\n",
        "7\u0660b3d57ed0061a2b",
        "\uff17\uff10b3d57ed0061a2b",
        "a" * 10_000,
    ],
)
def test_what_is_no_eui_is_named_shortly_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="expected 16 hex digits such as") as failure:
        parse_eui(text)
    assert len(str(failure.value)) < 500


@given(st.binary(min_size=8, max_size=8), st.sampled_from([":", "-", " ", ""]), st.booleans())
def test_every_eui_comes_back_whatever_separates_its_bytes(eui: bytes, separator: str, upper: bool) -> None:
    text = eui.hex(separator) if separator else eui.hex()
    assert parse_eui(text.upper() if upper else text) == eui.hex()


@given(st.text())
def test_any_text_is_an_eui_or_a_value_error(text: str) -> None:
    try:
        eui = parse_eui(text)
    except ValueError:
        return
    assert msgspec.convert(eui, DevEui) == parse_eui(eui)
