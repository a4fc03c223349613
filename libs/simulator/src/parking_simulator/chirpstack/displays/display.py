"""What a simulated display is: it hears downlinks, shows something, and answers. Pure; `air` gives it a radio.

In: fPort and bytes. Out: uplinks to send, and `shows`, which is what a passer-by sees now.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from parking_simulator.sensors import Payload


class SimulatedDisplay(ABC):
    """One display of some family.

    family: what `NetworkDevice.display` calls it.
    codec: the codec of `parking_codecs` that speaks its language (a test holds the two together).
    profile_name: the ChirpStack device profile that chooses this codec.
    device_class: how it listens as it leaves the factory.
    report_seconds: how often it reports by itself as it leaves the factory.
    """

    family: str
    codec: str
    profile_name: str
    device_class: str = "C"
    report_seconds: float

    def __init__(self) -> None:
        self.heard: list[Payload] = []

    @property
    @abstractmethod
    def shows(self) -> Any:
        """What is seen on it."""

    def hear(self, downlink: Payload) -> list[Payload]:
        """Take a downlink; the uplinks it answers with, if any."""
        self.heard.append(downlink)
        return self._obey(downlink)

    @abstractmethod
    def _obey(self, downlink: Payload) -> list[Payload]:
        """Do what a downlink says; what makes no sense to this family is ignored, as the real one does."""

    @abstractmethod
    def report(self) -> list[Payload]:
        """What it sends when it reports by itself."""

    @abstractmethod
    def boot(self) -> list[Payload]:
        """Lose what was shown and come up again; what it sends after its join."""

    @abstractmethod
    def tamper(self, shown: Any) -> None:
        """Make it show something else, without anybody having ordered it."""
