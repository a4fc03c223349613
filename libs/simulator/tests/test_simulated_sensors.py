"""What the simulated sensors send is what the codecs read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parking_codecs import load_registry
from parking_simulator.fleet_plan import deal, parse_mix
from parking_simulator.sensors import DEFAULT_MIX, SENSORS, Sensation, SensorModel, nwave_duration

REGISTRY = load_registry()
SENSATIONS = st.builds(
    Sensation,
    occupied=st.booleans(),
    at_seconds=st.integers(0, 4_102_444_800),
    sequence=st.integers(0, 1 << 31),
    celsius=st.integers(-40, 60),
    volts=st.floats(2.8, 3.5),
    percent=st.integers(0, 100),
    previous_minutes=st.integers(0, 100_000),
)
MODELS = pytest.mark.parametrize("model", SENSORS.values(), ids=SENSORS)


@MODELS
def test_the_profile_name_chooses_the_codec(model: SensorModel) -> None:
    choice = REGISTRY.choose(None, model.profile_name, "5a00000000000001")
    assert choice is not None
    assert choice.name == model.codec


@MODELS
def test_the_heartbeat_is_as_long_as_the_codec_expects(model: SensorModel) -> None:
    assert model.heartbeat_seconds <= REGISTRY.sensors[model.codec].heartbeat_seconds


@MODELS
@given(felt=SENSATIONS)
def test_every_frame_decodes_to_the_intended_occupancy(model: SensorModel, felt: Sensation) -> None:
    codec = REGISTRY.sensors[model.codec]
    assert codec.decode(*model.change(felt)).occupied is felt.occupied
    started = codec.decode(*model.start_up(felt))
    assert started.occupied is (felt.occupied if model.states_at_start else None)
    beat = codec.decode(*model.heartbeat(felt))
    assert beat.occupied is (felt.occupied if model.states_in_heartbeat else None)


@pytest.mark.parametrize("name", ["bosch", "nwave", "tekzitel", "placepod", "moko", "milesight"])
@given(felt=SENSATIONS)
def test_the_temperature_comes_through_the_heartbeat(name: str, felt: Sensation) -> None:
    model = SENSORS[name]
    beat = REGISTRY.sensors[model.codec].decode(*model.heartbeat(felt))
    assert beat.temperature_celsius == pytest.approx(felt.celsius)


@pytest.mark.parametrize(("name", "step"), [("nwave", 0.004), ("dingtek", 0.01), ("placepod", 0.01)])
@given(felt=SENSATIONS)
def test_the_battery_comes_through_the_heartbeat(name: str, step: float, felt: Sensation) -> None:
    model = SENSORS[name]
    beat = REGISTRY.sensors[model.codec].decode(*model.heartbeat(felt))
    assert beat.battery_volts == pytest.approx(felt.volts, abs=step + 0.001)


@pytest.mark.parametrize(
    ("minutes", "bits"),
    [(0, 0), (74, 74), (89, 89), (90, 90), (94, 90), (95, 91), (239, 119), (240, 120), (659, 126), (660, 127)],
)
def test_nwave_tells_long_durations_in_coarser_steps(minutes: int, bits: int) -> None:
    assert nwave_duration(minutes) == bits


def test_the_published_nwave_vector_is_reproduced() -> None:
    felt = Sensation(occupied=True, at_seconds=0, sequence=0, celsius=20, volts=3.6, percent=100, previous_minutes=74)
    assert SENSORS["nwave"].change(felt) == (1, bytes.fromhex("95"))


def test_a_mix_is_dealt_in_its_shares() -> None:
    dealt = deal(parse_mix("bosch=0.5,nwave=0.3,moko=0.2"), 10, seed=1)
    names = [model.name for model in dealt]
    assert [names.count(name) for name in ("bosch", "nwave", "moko")] == [5, 3, 2]
    assert dealt == deal(parse_mix("bosch=5,nwave=3,moko=2"), 10, seed=1)


@given(st.integers(0, 500), st.integers())
def test_a_mix_is_dealt_to_every_bay(count: int, seed: int) -> None:
    assert len(deal(parse_mix(DEFAULT_MIX), count, seed)) == count


@pytest.mark.parametrize(
    ("mix", "complaint"),
    [
        ("bosh=1", "'bosh' is no sensor family; there are bosch, nps310, nwave"),
        ("bosch", "needs a share such as bosch=0.5"),
        ("bosch=many", "needs a share"),
        ("bosch=-1", "needs a share"),
        ("bosch=inf", "needs a share"),
        ("bosch=0", "add up to 0"),
        ("", "is no sensor family"),
    ],
)
def test_a_wrong_mix_is_refused_with_what_is_wrong(mix: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_mix(mix)
