"""Nwave parking sensors NPS310 and NPS405 (generation 4), surface and flush mount.

| fPort | NPS310 | NPS405 |
|---|---|---|
| 1 change | 1 byte: bit 0 = occupied | 1 byte: bit 0 = occupied, bits 7..1 = how long the previous state lasted |
| 2 heartbeat | 1 byte: bit 0 = occupied | 3 to 6 bytes: bit 0 = occupied, bits 7..1 = hardware health (0 = good); |
|   |   | battery = 2.5 V + 4 mV per unit; temperature = int8 / 2 + 10 degrees C; 3 bytes unused |
| 3 start-up | 5 bytes: firmware major, minor, patch; reset cause; bit 0 = occupied | the same |
| 6 debug | undocumented, kept as hex | the same |
| 10 tag | not sent | as byte 0 of port 1; the tag's battery in 0.1 V, in the 6-byte form only; 4 bytes tag id |

The duration counts minutes up to 89, then steps of 5 from 90, then steps of 60 from 240; 127 means 660 or more.
The heartbeat comes once a day. Sources: TheThingsNetwork/lorawan-devices vendor/nwave; Nwave "LoRaWAN Parking Sensor,
Getting Started". An earlier public version of nps405.js reads the state from bit 7 and the duration from the low bits:
Nwave's own manual says bit 0, and only that yields the 74 minutes of the published example.
"""

from __future__ import annotations

from parking_codecs.codec import Observation, Scalar, SensorCodec
from parking_codecs.frame import expect_at_least, expect_length, signed, unknown_port

_NPS310_RESET_CAUSES = {1: "watchdog", 2: "power_on", 3: "user_request", 4: "brownout", 5: "other"}
_NPS405_RESET_CAUSES = {
    0: "rejoining_network",
    1: "watchdog",
    2: "power_on",
    3: "user_request",
    6: "brownout",
    7: "other",
}


class NwaveNps310(SensorCodec):
    """Decoder of the NPS310; see the module for the frames."""

    name = "nwave_nps310"
    profile_names = ("Nwave NPS310", "Nwave NPS310SM")
    heartbeat_seconds = 86_400

    def decode(self, f_port: int, payload: bytes) -> Observation:
        """Read ports 1, 2, 3 and 6; everything else is a `CodecError`."""
        match f_port:
            case 1 | 2:
                expect_length(f_port, payload, {1})
                return Observation(kind="change" if f_port == 1 else "heartbeat", occupied=bool(payload[0] & 1))
            case 3:
                return _start_up(f_port, payload, _NPS310_RESET_CAUSES)
            case 6:
                return _debug(f_port, payload)
        raise unknown_port(f_port, payload, "1 (change), 2 (heartbeat), 3 (start-up) or 6 (debug)")


class NwaveNps405(SensorCodec):
    """Decoder of the NPS405; see the module for the frames."""

    name = "nwave_nps405"
    profile_names = ("Nwave NPS405", "Nwave NPS405SM", "Nwave NPS405FM")
    heartbeat_seconds = 86_400

    def decode(self, f_port: int, payload: bytes) -> Observation:
        """Read ports 1, 2, 3, 6 and 10; everything else is a `CodecError`."""
        match f_port:
            case 1:
                expect_length(f_port, payload, {1})
                return Observation(kind="change", occupied=bool(payload[0] & 1), attributes=_previous_state(payload[0]))
            case 2:
                expect_length(f_port, payload, {3, 4, 5, 6})
                return _heartbeat(payload)
            case 3:
                return _start_up(f_port, payload, _NPS405_RESET_CAUSES)
            case 6:
                return _debug(f_port, payload)
            case 10:
                expect_length(f_port, payload, {5, 6})
                return _tag(payload)
        raise unknown_port(f_port, payload, "1 (change), 2 (heartbeat), 3 (start-up), 6 (debug) or 10 (tag)")


def _previous_state(first_byte: int) -> dict[str, Scalar]:
    compressed = first_byte >> 1
    if compressed < 90:
        minutes, error_minutes = compressed, 0
    elif compressed < 120:
        minutes, error_minutes = 90 + (compressed - 90) * 5, 4
    elif compressed < 127:
        minutes, error_minutes = 240 + (compressed - 120) * 60, 59
    else:
        return {"previous_state_minutes": 660, "previous_state_overflow": True}
    return {"previous_state_minutes": minutes, "previous_state_error_minutes": error_minutes}


def _heartbeat(payload: bytes) -> Observation:
    millivolts = 2500 + payload[1] * 4
    temperature = signed(payload[2:3]) / 2 + 10
    # A cold cell is allowed a lower voltage.
    low_millivolts = 3000 if temperature >= -5 else 2900
    health = "normal" if millivolts >= low_millivolts else "low"
    if millivolts < low_millivolts - 100:
        health = "critical"
    return Observation(
        kind="heartbeat",
        occupied=bool(payload[0] & 1),
        battery_volts=millivolts / 1000,
        temperature_celsius=temperature,
        attributes={"battery_health": health, "hardware_health": payload[0] >> 1},
    )


def _start_up(f_port: int, payload: bytes, reset_causes: dict[int, str]) -> Observation:
    expect_length(f_port, payload, {5})
    return Observation(
        kind="start_up",
        occupied=bool(payload[4] & 1),
        attributes={
            "firmware": f"{payload[0]}.{payload[1]}.{payload[2]}",
            "reset_cause": reset_causes.get(payload[3], "unknown"),
        },
    )


def _debug(f_port: int, payload: bytes) -> Observation:
    expect_at_least(f_port, payload, 1)
    return Observation(kind="other", attributes={"payload_hex": payload.hex()})


def _tag(payload: bytes) -> Observation:
    attributes: dict[str, Scalar] = {"tag_id": payload[-4:].hex()}
    if len(payload) == 6:
        attributes["tag_battery_volts"] = payload[1] / 10
    # A badge without the state bit says nothing of the space: the driver may stand beside it.
    occupied = True if payload[0] & 1 else None
    if occupied:
        attributes |= _previous_state(payload[0])
    return Observation(kind="tag", occupied=occupied, attributes=attributes)


NPS310 = NwaveNps310()
NPS405 = NwaveNps405()
