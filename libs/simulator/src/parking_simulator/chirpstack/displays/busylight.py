"""A Kuando Busylight IoT: obeys and reports as `parking_codecs.kuando_busylight` describes; green after a join."""

from __future__ import annotations

import struct
from typing import Final

from parking_codecs.display import Colour
from parking_simulator.chirpstack.displays.display import SimulatedDisplay
from parking_simulator.sensors import Payload

F_PORT: Final = 15
GREEN: Final = Colour(0, 255, 0)
LIGHT_BYTES: Final = (5, 6)
SETTING_BYTES: Final = 2
SOFTWARE, HARDWARE = 68, 15
RSSI_DBM, SNR_DB = -60, 33  # 33 is what real ones say


class Busylight(SimulatedDisplay):
    """`new_firmware` adds the 25th byte to its reports."""

    family = "busylight"
    codec = "kuando_busylight"
    profile_name = "Kuando Busylight"
    report_seconds = 1800.0

    def __init__(self, *, new_firmware: bool = True) -> None:
        super().__init__()
        self.new_firmware = new_firmware
        self.replies = False
        self.received = 0
        self.sent = 0
        self._light = GREEN

    @property
    def shows(self) -> Colour:
        """The light."""
        return self._light

    def _obey(self, downlink: Payload) -> list[Payload]:
        self.received += 1
        asked = False
        body = downlink.data
        if downlink.f_port == F_PORT and len(body) in LIGHT_BYTES:
            red, blue, green, on, off = body[:5]
            self._light = Colour(red, green, blue, on, off)
            asked = body[5:] == b"\x01"
        elif downlink.f_port == F_PORT and len(body) == SETTING_BYTES:
            asked = self._set(*body)
        return self.report() if asked or self.replies else []

    def _set(self, what: int, value: int) -> bool:
        """Apply a setting; whether it asks for an uplink."""
        if what == 0x04 and value:
            self.report_seconds = value * 60.0
        elif what == 0x06:
            self.replies = value == 1
        return what == 0x05 and value == 1

    def report(self) -> list[Payload]:
        """The 24 or 25 bytes of its report."""
        light = self._light
        shown = (light.red, light.blue, light.green, light.on_centiseconds, light.off_centiseconds)
        figures = struct.pack("<iiII", RSSI_DBM, SNR_DB, self.received, self.sent)
        self.sent += 1
        return [Payload(F_PORT, figures + bytes([*shown, SOFTWARE, HARDWARE, 1]) + b"\x01" * self.new_firmware)]

    def boot(self) -> list[Payload]:
        """Green again, counters at 0; settings survive."""
        self._light = GREEN
        self.received = self.sent = 0
        return self.report()

    def tamper(self, shown: Colour) -> None:
        """Another light."""
        self._light = shown
