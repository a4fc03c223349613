"""A Milesight DS3604 e-paper sign: texts by template and block, each write answered with its result.

The bytes are those of `parking_codecs.milesight_ds3604`. A text that was written is seen after the next refresh;
e-paper keeps its picture without power, so a join changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from parking_simulator.chirpstack.displays.display import SimulatedDisplay
from parking_simulator.sensors import Payload

F_PORT: Final = 85
WRITE, RESULT = b"\xfb\x01", b"\xfa\x01"
ASK, INTERVAL, SWITCH, ACT, BATTERY = b"\xff\x28", b"\xff\x03", b"\xff\x73", b"\xff\x3d", b"\x01\x75"
VALUE_BYTES: Final = {ASK: 1, INTERVAL: 2, SWITCH: 1, ACT: 1}
TEXTS_ASKED, REFRESH = 3, 2
TEMPLATES, BLOCKS = 2, 11
SUCCESS, NO_TEMPLATE, NO_BLOCK = 0, 1, 2
AFTER_JOIN: Final = bytes.fromhex("ff0bffff0101ff166601c42255890001ff090100ff0a0101ff0f00")


class EpaperSign(SimulatedDisplay):
    """Two templates of ten texts and a QR code each; one template is on the screen. A full battery."""

    family = "ds3604"
    codec = "milesight_ds3604"
    profile_name = "Milesight DS3604"
    device_class = "A"
    report_seconds = 64_800.0

    def __init__(self) -> None:
        super().__init__()
        self.template = 0
        self._written: dict[int, str] = {}
        self._seen: tuple[str, ...] = ()
        self._settings: dict[bytes, Callable[[bytes], bytes]] = {
            ASK: self._asked,
            INTERVAL: self._interval,
            SWITCH: self._switch,
            ACT: self._act,
        }

    @property
    def shows(self) -> str:
        """The texts on the screen, one a line."""
        return "\n".join(self._seen)

    def _obey(self, downlink: Payload) -> list[Payload]:
        if downlink.f_port != F_PORT:
            return []
        said = b"".join(self._answers(downlink.data))
        return [Payload(F_PORT, said)] if said else []

    def _answers(self, rest: bytes) -> Iterator[bytes]:
        """The answer to each element, up to the first that is unknown or cut short."""
        while len(rest) > 2:
            head, rest = rest[:2], rest[2:]
            length = 2 + rest[1] if head == WRITE and len(rest) > 1 else VALUE_BYTES.get(head, 0)
            value, rest = rest[:length], rest[length:]
            if not length or len(value) < length:
                return
            yield self._write(value[0], value[2:]) if head == WRITE else head + self._settings[head](value)

    def _write(self, place: int, text: bytes) -> bytes:
        result = NO_TEMPLATE if place >> 6 >= TEMPLATES else NO_BLOCK if place & 0x3F >= BLOCKS else SUCCESS
        if result == SUCCESS:
            self._written[place] = text.decode("utf-8", "replace")
        return RESULT + bytes([place, result])

    def _asked(self, value: bytes) -> bytes:
        return value + (self._texts() if value[0] == TEXTS_ASKED else b"")

    def _interval(self, value: bytes) -> bytes:
        self.report_seconds = float(int.from_bytes(value, "little"))
        return value

    def _switch(self, value: bytes) -> bytes:
        self.template = value[0]
        self._refresh()
        return value

    def _act(self, value: bytes) -> bytes:
        if value[0] == REFRESH:
            self._refresh()
        return value

    def _refresh(self) -> None:
        self._seen = tuple(text for place, text in sorted(self._written.items()) if place >> 6 == self.template)

    def _texts(self) -> bytes:
        said = b""
        for place, text in sorted(self._written.items()):
            encoded = text.encode()
            said += WRITE + bytes([place, len(encoded)]) + encoded
        return said

    def report(self) -> list[Payload]:
        """Battery and template; no texts."""
        return [Payload(F_PORT, BATTERY + b"\x64" + SWITCH + bytes([self.template]))]

    def boot(self) -> list[Payload]:
        """Versions and serial number; the picture stays."""
        return [Payload(F_PORT, AFTER_JOIN)]

    def tamper(self, shown: str) -> None:
        """Another first text, seen at once."""
        self._written[self.template << 6] = shown
        self._refresh()
