"""The simulated displays, by family."""

from typing import Final

from parking_simulator.chirpstack.displays.busylight import Busylight
from parking_simulator.chirpstack.displays.display import SimulatedDisplay
from parking_simulator.chirpstack.displays.ds3604 import EpaperSign
from parking_simulator.chirpstack.displays.heltec import HeltecSign
from parking_simulator.chirpstack.displays.rgb import RgbLight

FAMILIES: Final[dict[str, type[SimulatedDisplay]]] = {
    one.family: one for one in (Busylight, HeltecSign, RgbLight, EpaperSign)
}

__all__ = ["FAMILIES", "Busylight", "EpaperSign", "HeltecSign", "RgbLight", "SimulatedDisplay"]
