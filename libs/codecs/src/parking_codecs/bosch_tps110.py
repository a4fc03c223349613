"""Bosch TPS110 parking lot sensor (magnetometer and radar), firmware 0.23 to 0.29.

| fPort | bytes | meaning |
|---|---|---|
| 1 | 1 | change: bit 0 = occupied, the other bits reserved |
| 2 | 1 or 2 | heartbeat: as above; byte 1, where sent: temperature, int8, degrees C |
| 3 | 17 | start-up: 3 debug codes of 4 bytes (low 12 bits, little endian, 0 = none); firmware major, minor, patch; |
|   |    | reset cause; bit 0 = occupied |
| 4, 5 | any | device information, device usage: undocumented, kept as hex |
| 6 | 10 or more | debug: uint32 LE timestamp, debug code (12 bits LE), 2 bytes unused, uint16 LE sequence number |

The heartbeat comes once a day. Sources: TheThingsNetwork/lorawan-devices vendor/bosch; Bosch "Parking Lot Sensor,
Communication Interface" 0.23.3 and 0.29.4; ZennerIoT/element-parsers.
"""

from __future__ import annotations

from parking_codecs.codec import Observation, SensorCodec
from parking_codecs.frame import expect_at_least, expect_length, signed, unknown_port

# Named as in 0.29. One public parser numbers them one lower for older firmware, so the code is kept beside the name.
_RESET_CAUSES = {1: "watchdog", 2: "power_on", 3: "system_request", 4: "other"}


class BoschTps110(SensorCodec):
    """Decoder of the TPS110; see the module for the frames."""

    name = "bosch_tps110"
    profile_names = ("Bosch TPS110", "Bosch Parking Lot Sensor")
    heartbeat_seconds = 86_400

    def decode(self, f_port: int, payload: bytes) -> Observation:
        """Read ports 1 to 6; everything else is a `CodecError`."""
        match f_port:
            case 1:
                expect_length(f_port, payload, {1})
                return Observation(kind="change", occupied=bool(payload[0] & 1))
            case 2:
                expect_length(f_port, payload, {1, 2})
                temperature = float(signed(payload[1:])) if len(payload) == 2 else None
                return Observation(kind="heartbeat", occupied=bool(payload[0] & 1), temperature_celsius=temperature)
            case 3:
                expect_length(f_port, payload, {17})
                return _start_up(payload)
            case 4 | 5:
                expect_at_least(f_port, payload, 1)
                return Observation(kind="other", attributes={"payload_hex": payload.hex()})
            case 6:
                expect_at_least(f_port, payload, 10)
                return _debug(payload)
        raise unknown_port(f_port, payload, "1 (change), 2 (heartbeat), 3 (start-up), 4, 5 (information) or 6 (debug)")


def _debug_code(payload: bytes, offset: int) -> int:
    return int.from_bytes(payload[offset : offset + 2], "little") & 0x0FFF


def _start_up(payload: bytes) -> Observation:
    codes = [code for offset in (0, 4, 8) if (code := _debug_code(payload, offset))]
    return Observation(
        kind="start_up",
        occupied=bool(payload[16] & 1),
        attributes={
            "debug_codes": ",".join(map(str, codes)),
            "firmware": f"{payload[12]}.{payload[13]}.{payload[14]}",
            "reset_cause": _RESET_CAUSES.get(payload[15], "unknown"),
            "reset_cause_code": payload[15],
        },
    )


def _debug(payload: bytes) -> Observation:
    return Observation(
        kind="other",
        attributes={
            "debug_timestamp": int.from_bytes(payload[0:4], "little"),
            "debug_codes": str(_debug_code(payload, 4)),
            "debug_sequence": int.from_bytes(payload[8:10], "little"),
        },
    )


CODEC = BoschTps110()
