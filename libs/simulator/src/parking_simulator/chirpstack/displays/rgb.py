"""The generic RGB light of `parking_codecs.generic_rgb`: shows three bytes, and repeats them after each downlink."""

from __future__ import annotations

from typing import Final

from parking_codecs.display import Colour
from parking_simulator.chirpstack.displays.display import SimulatedDisplay
from parking_simulator.sensors import Payload

F_PORT: Final = 1
BLACK: Final = Colour(0, 0, 0)
RGB_BYTES: Final = 3


class RgbLight(SimulatedDisplay):
    """Dark after a join."""

    family = "rgb"
    codec = "generic_rgb"
    profile_name = "Generic RGB"
    report_seconds = 3600.0

    def __init__(self) -> None:
        super().__init__()
        self._light = BLACK

    @property
    def shows(self) -> Colour:
        """The light."""
        return self._light

    def _obey(self, downlink: Payload) -> list[Payload]:
        if downlink.f_port != F_PORT or len(downlink.data) != RGB_BYTES:
            return []
        self._light = Colour(*downlink.data)
        return self.report()

    def report(self) -> list[Payload]:
        """The three bytes that it shows."""
        return [Payload(F_PORT, bytes([self._light.red, self._light.green, self._light.blue]))]

    def boot(self) -> list[Payload]:
        """Dark, and says so."""
        self._light = BLACK
        return self.report()

    def tamper(self, shown: Colour) -> None:
        """Another light."""
        self._light = shown
