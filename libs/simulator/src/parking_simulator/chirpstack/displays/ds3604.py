"""A Milesight DS3604 e-paper sign: texts by template and block, each downlink confirmed with its result.

The bytes are those of `parking_codecs.milesight_ds3604`. E-paper keeps its picture without power, so a join changes
nothing; the battery comes with every report.
"""

from __future__ import annotations

from typing import Final

from parking_simulator.chirpstack.displays.display import SimulatedDisplay
from parking_simulator.sensors import Payload

F_PORT: Final = 85
BATTERY: Final = b"\x01\x75\x64"
TEMPLATE_DATA: Final = b"\xfb\x01"
UPDATE_RESULT: Final = b"\xfa\x01"
ASK: Final = b"\xff\x28"
INTERVAL: Final = b"\xff\x03"
SWITCH: Final = b"\xff\x73"
TEMPLATES, BLOCKS = 2, 11
SUCCESS, NO_TEMPLATE, NO_BLOCK = 0, 1, 2


class EpaperSign(SimulatedDisplay):
    """Two templates of ten texts and a QR code each; one template is on the screen."""

    family = "ds3604"
    codec = "milesight_ds3604"
    profile_name = "Milesight DS3604"
    device_class = "A"
    report_seconds = 86_400.0

    def __init__(self) -> None:
        super().__init__()
        self.texts: dict[int, str] = {}
        self.template = 0

    @property
    def shows(self) -> str:
        """The texts of the template on the screen, one a line."""
        blocks = sorted(place & 0x3F for place in self.texts if place >> 6 == self.template)
        return "\n".join(self.texts[self.template << 6 | block] for block in blocks)

    def _obey(self, downlink: Payload) -> list[Payload]:
        if downlink.f_port != F_PORT:
            return []
        answers: list[Payload] = []
        rest = downlink.data
        while rest:
            head = rest[:2]
            if head == TEMPLATE_DATA and len(rest) >= 4:
                place, length = rest[2], rest[3]
                answers.append(self._write(place, rest[4 : 4 + length]))
                rest = rest[4 + length :]
            elif head == ASK and len(rest) >= 3:
                answers += [Payload(F_PORT, rest[:3]), *(self.report() if rest[2] == 3 else [])]
                rest = rest[3:]
            elif head == INTERVAL and len(rest) >= 4:
                self.report_seconds = float(int.from_bytes(rest[2:4], "little"))
                answers.append(Payload(F_PORT, rest[:4]))
                rest = rest[4:]
            elif head == SWITCH and len(rest) >= 3:
                self.template = rest[2]
                answers.append(Payload(F_PORT, rest[:3]))
                rest = rest[3:]
            else:
                break
        return answers

    def _write(self, place: int, text: bytes) -> Payload:
        result = NO_TEMPLATE if place >> 6 >= TEMPLATES else NO_BLOCK if place & 0x3F >= BLOCKS else SUCCESS
        if result == SUCCESS:
            self.texts[place] = text.decode("utf-8", "replace")
        return Payload(F_PORT, UPDATE_RESULT + bytes([place, result]))

    def report(self) -> list[Payload]:
        """Battery, template, and what stands in it."""
        body = BATTERY + SWITCH + bytes([self.template])
        for place, text in sorted(self.texts.items()):
            if place >> 6 == self.template:
                encoded = text.encode()
                body += TEMPLATE_DATA + bytes([place, len(encoded)]) + encoded
        return [Payload(F_PORT, body)]

    def boot(self) -> list[Payload]:
        """The protocol version; the picture stays."""
        return [Payload(F_PORT, b"\xff\x01\x01")]

    def tamper(self, shown: str) -> None:
        """Another first text."""
        self.texts[self.template << 6] = shown
