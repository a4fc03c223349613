"""Libelium Smart Parking v2 (magnetometer and radar).

Any application port, always 11 bytes: a header of two bytes that the maker documents, and nine whose layout
depends on frame type and firmware and is not published; they are kept as hex.

| byte | meaning |
|---|---|
| 0 | bit 7 occupied, bit 6 battery low, bits 2..0 frame type |
| 1 | sequence number |

Frame types: 0 information (a change), 1 keep-alive, 2 configuration, 4 and 5 start, 7 clock request; 3 and 6
belong to downlinks, and bit 3 means nothing.
Sources: Libelium "Smart Parking v2 Technical Guide"; the public Python package libelium-parking-sensor-v2 (vectors);
ZennerIoT/element-parsers (vectors of the preceding model, whose header is the same).
The keep-alive period is a setting of the node (2 h by default, 3 h in its night mode).
"""

from __future__ import annotations

from parking_codecs.codec import Observation, ObservationKind, SensorCodec
from parking_codecs.frame import expect_application_port, expect_length

_FRAME_TYPES: dict[int, tuple[str, ObservationKind]] = {
    0: ("information", "change"),
    1: ("keep_alive", "heartbeat"),
    2: ("configuration_up", "configuration"),
    3: ("configuration_down", "other"),
    4: ("start_1", "start_up"),
    5: ("start_2", "start_up"),
    6: ("clock_sync", "other"),
    7: ("clock_request", "other"),
}


class LibeliumSmartParking(SensorCodec):
    """Decoder of the Smart Parking v2; see the module for the header."""

    name = "libelium_smart_parking_v2"
    profile_names = ("Libelium Smart Parking v2", "Libelium Smart Parking")
    heartbeat_seconds = 10_800

    def decode(self, f_port: int, payload: bytes) -> Observation:
        """Read the header of an 11-byte frame; any other length is a `CodecError`."""
        expect_application_port(f_port, payload)
        expect_length(f_port, payload, {11})
        frame_type, kind = _FRAME_TYPES[payload[0] & 0x07]
        return Observation(
            kind=kind,
            occupied=bool(payload[0] & 0x80),
            attributes={
                "frame_type": frame_type,
                "battery_low": bool(payload[0] & 0x40),
                "sequence": payload[1],
                "payload_hex": payload[2:].hex(),
            },
        )


CODEC = LibeliumSmartParking()
