"""Distances on the globe: the box that a circle fits into, for an index to search. Pure.

The box crosses a pole or the antimeridian where the circle does; it may hold more than the circle, never less.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

EARTH_RADIUS_METRES = 6_371_008.8
NEAR_PATTERN = r"-?[0-9]{1,2}(\.[0-9]{1,15})?,-?[0-9]{1,3}(\.[0-9]{1,15})?"
# Rounding must not push the edge of the circle out of the box: a millionth of a degree is 11 cm.
_MARGIN_DEGREES = 1e-6


@dataclass(frozen=True, slots=True)
class Box:
    """Latitudes from south to north, longitudes in either of two ranges (twice the same when one is enough)."""

    south: float
    north: float
    west: float
    east: float
    west_too: float
    east_too: float


def parse_near(text: str) -> tuple[float, float]:
    """`lat,lon` in WGS 84 degrees.

    Raises:
        ValueError: It is not written so, or lies outside the globe.
    """
    if not re.fullmatch(NEAR_PATTERN, text):
        raise ValueError("expected latitude,longitude in degrees such as -37.8136,144.9631")
    latitude, longitude = map(float, text.split(","))
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise ValueError("the latitude lies within -90 and 90, the longitude within -180 and 180")
    return latitude, longitude


def bounding_box(latitude: float, longitude: float, radius_metres: float) -> Box:
    """The box around every point at most `radius_metres` from here."""
    angle = math.degrees(radius_metres / EARTH_RADIUS_METRES) + _MARGIN_DEGREES
    south, north = latitude - angle, latitude + angle
    if south <= -90 or north >= 90:
        return Box(max(south, -90.0), min(north, 90.0), -180.0, 180.0, -180.0, 180.0)
    ratio = math.sin(math.radians(angle)) / math.cos(math.radians(latitude))
    spread = (math.degrees(math.asin(ratio)) if ratio < 1 else 180.0) + _MARGIN_DEGREES
    west, east = longitude - spread, longitude + spread
    if spread >= 180:
        return Box(south, north, -180.0, 180.0, -180.0, 180.0)
    if west < -180:
        return Box(south, north, west + 360, 180.0, -180.0, east)
    if east > 180:
        return Box(south, north, west, 180.0, -180.0, east - 360)
    return Box(south, north, west, east, west, east)
