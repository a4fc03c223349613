"""PNI PlacePod parking and vehicle counting sensors, in-ground and surface mount.

Any application port; a row of elements, each channel, type, value (big endian):

| channel type | bytes | meaning |
|---|---|---|
| 01 01 | 1 | answer to a recalibration, 1 = done |
| 02 67 | 2 | temperature, 0.1 degrees C, signed |
| 03 02 | 2 | battery, 0.01 V |
| 15 66 | 1 | parking status after a change: 0 vacant, 1 occupied |
| 1c 01 | 1 | answer to a deactivation, 1 = done |
| 21 00 | 1 | vehicle count, 0-127; bit 7 set: no count, but a reboot or recalibration |
| 37 66, 37 00 | 1 | keep-alive with the parking status, with the vehicle count |
| 3f 01 | 1 | answer to a reboot, 1 = done |

Two states may share one frame (`156600156601`); the last one is the newest and the one that counts.
Sources: PNI "PlacePod Sensor Communications Protocol"; sjkp/PNI.PlacePod; ZennerIoT/element-parsers.
The keep-alive period is a setting of the sensor; a day is assumed until a device says otherwise.
"""

from __future__ import annotations

from parking_codecs.codec import CodecError, Observation, ObservationKind, Scalar, SensorCodec
from parking_codecs.frame import expect_application_port, unsigned

# Sizes of the Cayenne-like data types, by which an unknown channel of a known type can be stepped over.
_TYPE_BYTES = {0x00: 1, 0x01: 1, 0x02: 2, 0x03: 2, 0x66: 1, 0x67: 2}
_RESPONSES = {0x01: "recalibrated", 0x1C: "deactivated", 0x3F: "rebooted"}


class PlacePod(SensorCodec):
    """Decoder of the PlacePod; see the module for the elements."""

    name = "pni_placepod"
    profile_names = ("PNI PlacePod", "PlacePod")
    heartbeat_seconds = 86_400

    def decode(self, f_port: int, payload: bytes) -> Observation:
        """Read the elements in order. A frame that begins with nothing known is a `CodecError`."""
        expect_application_port(f_port, payload)
        states: list[bool] = []
        volts: float | None = None
        celsius: float | None = None
        seen: set[tuple[int, int]] = set()
        attributes: dict[str, Scalar] = {}
        rest = payload
        while rest:
            channel, value, after = _element(f_port, payload, rest, seen)
            if value is None:
                # Elements of a newer firmware: what came before them still counts.
                attributes["unparsed_hex"] = rest.hex()
                break
            match channel:
                case (0x15 | 0x37, 0x66):
                    states.append(_state(f_port, payload, value))
                case (0x02, 0x67):
                    celsius = _temperature(value)
                case (0x03, 0x02):
                    volts = unsigned(value) / 100
                case (0x21 | 0x37, 0x00):
                    attributes |= _vehicles(value[0])
                case (0x01 | 0x1C | 0x3F, 0x01):
                    attributes[_RESPONSES[channel[0]]] = bool(value[0] & 1)
            seen.add(channel)
            rest = after
        if len(states) > 1:
            attributes["earlier_occupied"] = states[-2]
        return Observation(
            kind=_kind(seen),
            occupied=states[-1] if states else None,
            battery_volts=volts,
            temperature_celsius=celsius,
            attributes=attributes,
        )


def _element(
    f_port: int, payload: bytes, rest: bytes, seen: set[tuple[int, int]]
) -> tuple[tuple[int, int], bytes | None, bytes]:
    """Split off one element: (channel, type), its value or None for an unknown type after known ones, what follows."""
    channel = (rest[0], rest[1] if len(rest) > 1 else -1)
    size = _TYPE_BYTES.get(channel[1])
    if size is None and seen and len(rest) > 1:
        return channel, None, b""
    if size is None or len(rest) < 2 + size:
        raise CodecError(f"expected whole elements, not {rest.hex()!r}", f_port=f_port, length=len(payload))
    return channel, rest[2 : 2 + size], rest[2 + size :]


def _state(f_port: int, payload: bytes, value: bytes) -> bool:
    if value[0] > 1:
        raise CodecError(f"expected state 0 or 1, not {value[0]}", f_port=f_port, length=len(payload))
    return value[0] == 1


def _temperature(value: bytes) -> float:
    """Read tenths of a degree, negative as two's complement or as sign and magnitude.

    The protocol says "signed, MSB" and the two public decoders read it in these two ways. Real temperatures
    leave no doubt: below 0xC000 a two's complement would mean under -1600 degrees.
    """
    raw = unsigned(value)
    if raw >= 0xC000:
        return (raw - 0x10000) / 10
    return -(raw & 0x7FFF) / 10 if raw & 0x8000 else raw / 10


def _vehicles(value: int) -> dict[str, Scalar]:
    return {"rebooted_or_recalibrated": True} if value & 0x80 else {"vehicle_count": value}


def _kind(seen: set[tuple[int, int]]) -> ObservationKind:
    if (0x3F, 0x01) in seen:
        return "start_up"
    if (0x15, 0x66) in seen:
        return "change"
    if seen & {(0x37, 0x66), (0x37, 0x00)}:
        return "heartbeat"
    return "configuration" if seen & {(0x01, 0x01), (0x1C, 0x01)} else "other"


CODEC = PlacePod()
