"""What can be measured in a parking bay: a number comes in, and goes out again if it is one that can be.

A reading outside is noise, or a code for "not known" such as 255 %: it is left away, and the state beside it counts.
"""

from __future__ import annotations

from typing import Final

Bounds = tuple[float, float]

VOLTS: Final[Bounds] = (0.0, 60.0)
PERCENT: Final[Bounds] = (0.0, 100.0)
CELSIUS: Final[Bounds] = (-100.0, 200.0)


def possible(value: float | None, bounds: Bounds) -> float | None:
    """The value as a float if it lies within its bounds, else None; NaN lies nowhere."""
    # Comparing first: float() of a huge int raises.
    if value is None or not bounds[0] <= value <= bounds[1]:
        return None
    return value if type(value) is float else float(value)
