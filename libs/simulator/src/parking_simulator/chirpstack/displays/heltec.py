"""A Heltec class C sign: obeys and reports as `parking_codecs.heltec_sign` describes; blank after a join."""

from __future__ import annotations

from typing import Final

from parking_simulator.chirpstack.displays.display import SimulatedDisplay
from parking_simulator.sensors import Payload

F_PORT: Final = 1
WORDS: Final = {1: "AVAILABLE", 2: "OCCUPIED", 3: "RESERVED"}
OTHERWISE: Final = "UNKNOWN"
BLANK: Final = ""


class HeltecSign(SimulatedDisplay):
    """One word of one space, or the digits of a zone's counter."""

    family = "heltec"
    codec = "heltec_sign"
    profile_name = "Heltec Class C Sign"
    report_seconds = 3600.0

    def __init__(self) -> None:
        super().__init__()
        self._shown = BLANK
        self._last = 0
        self._uplinks = 0

    @property
    def shows(self) -> str:
        """AVAILABLE, OCCUPIED, RESERVED, UNKNOWN, digits, or nothing yet."""
        return self._shown

    def _obey(self, downlink: Payload) -> list[Payload]:
        if downlink.f_port == F_PORT and downlink.data:
            self._last = downlink.data[0]
            digits = downlink.data.decode("latin-1")
            is_count = digits.isascii() and digits.isdigit()
            self._shown = digits if is_count else WORDS.get(self._last, OTHERWISE)
        return []

    def report(self) -> list[Payload]:
        """`counter_hi counter_lo last`, every hour."""
        self._uplinks += 1
        return [Payload(F_PORT, (self._uplinks & 0xFFFF).to_bytes(2, "big") + bytes([self._last]))]

    def boot(self) -> list[Payload]:
        """Nothing is shown, and `ffc3` says that class C is active."""
        self._shown, self._last, self._uplinks = BLANK, 0, 1
        return [Payload(F_PORT, b"\xff\xc3")]

    def tamper(self, shown: str) -> None:
        """Another word or number, as if a downlink had said so."""
        bytes_of = {word: bytes([byte]) for byte, word in WORDS.items()} | {OTHERWISE: b"\x04", BLANK: b"\x00"}
        self._shown, self._last = shown, bytes_of.get(shown, shown.encode())[0]
