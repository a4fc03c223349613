"""Nearest first: the answer of the database is that of a plain computation, poles and antimeridian included."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_gateway.spaces.nearby import EARTH_RADIUS_METRES, bounding_box, parse_near

LATITUDES = st.floats(-90, 90)
LONGITUDES = st.floats(-180, 180)


@pytest.fixture(scope="module")
def stand(shared_gateway):
    return shared_gateway


def distance(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    phi, psi = math.radians(latitude), math.radians(other_latitude)
    half = (
        math.sin((psi - phi) / 2) ** 2
        + math.cos(phi) * math.cos(psi) * math.sin(math.radians(other_longitude - longitude) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_METRES * math.asin(min(1, math.sqrt(half)))


@given(LATITUDES, LONGITUDES, st.floats(0.1, 100_000), st.floats(0, 360), st.floats(0, 1))
def test_the_box_holds_every_point_of_the_circle(
    latitude: float, longitude: float, radius: float, bearing: float, share: float
) -> None:
    angle, course = share * radius / EARTH_RADIUS_METRES, math.radians(bearing)
    phi = math.radians(latitude)
    sine = math.sin(phi) * math.cos(angle) + math.cos(phi) * math.sin(angle) * math.cos(course)
    other_latitude = math.degrees(math.asin(max(-1, min(1, sine))))
    turn = math.atan2(math.sin(course) * math.sin(angle) * math.cos(phi), math.cos(angle) - math.sin(phi) * sine)
    other_longitude = (longitude + math.degrees(turn) + 540) % 360 - 180
    box = bounding_box(latitude, longitude, radius)
    assert box.south <= other_latitude <= box.north
    assert box.west <= other_longitude <= box.east or box.west_too <= other_longitude <= box.east_too


@pytest.mark.parametrize(
    "text", ["", "1", "1,2,3", "a,b", "91,0", "0,-181", "nan,0", "1e3,0", " 1,2", "1,2\n", "\u0661,2"]
)
def test_a_position_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="latitude"):
        parse_near(text)


PLACES = [(-37.8136, 144.9631), (0.0, 180.0), (0.0, -179.9999), (89.999, 10.0), (-90.0, 0.0), (51.5, 0.0)]


async def test_the_database_agrees_with_a_plain_computation(api, registry, tenant_id, sql) -> None:
    chance = random.Random(7)
    site_id = await registry.site(tenant_id)
    spaces = {}
    for number in range(600):
        latitude, longitude = PLACES[number % len(PLACES)]
        latitude = max(-90.0, min(90.0, latitude + chance.gauss(0, 0.02)))
        longitude = (longitude + chance.gauss(0, 0.02) + 540) % 360 - 180
        state = chance.choice(["free", "occupied"])
        space_id = await registry.space(tenant_id, site_id, latitude=latitude, longitude=longitude, state=state)
        spaces[str(space_id)] = (latitude, longitude, state)
    await registry.space(tenant_id, site_id)  # one without a position
    for latitude, longitude in PLACES:
        for radius in (50, 1500, 20_000, 100_000):
            expected = sorted(
                (distance(latitude, longitude, *place), space_id)
                for space_id, (*place, state) in spaces.items()
                if state == "free" and distance(latitude, longitude, *place) <= radius
            )
            asked = f"near={latitude},{longitude}&radius_m={radius}&state=Free&limit=1000"
            answer = (await api.get(f"/api/v6/spaces?{asked}")).json()
            assert [one["id"] for one in answer["items"]] == [space_id for _, space_id in expected]
            assert [one["distance_m"] for one in answer["items"]] == pytest.approx([far for far, _ in expected])
            assert answer["total"] == len(expected)
            beyond = (await api.get(f"/api/v6/spaces?{asked}&offset={len(expected)}")).json()
            assert (beyond["total"], beyond["items"]) == (len(expected), [])
