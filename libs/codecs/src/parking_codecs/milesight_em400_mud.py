"""Milesight EM400-MUD ultrasonic distance sensor, mounted over a bay in its parking mode.

Any application port (85 by default); a row of elements: channel, type, value, little endian.

| channel type | bytes | meaning |
|---|---|---|
| 01 75 | 1 | battery, % |
| 03 67 | 2 | temperature, int16, 0.1 degrees C |
| 04 82 | 2 | distance, mm |
| 05 00 | 1 | position: 0 normal, 1 tilted |
| 06 88 | 9 | location (NB-IoT model), kept out |
| 83 67 | 3 | temperature and alarm flag |
| 84 82 | 3 | distance and alarm flag: 1 below the threshold (occupied), 0 back above it (free) |
| ff 01, 09, 0a, 0b | 1, 2, 2, 1 | protocol, hardware and firmware version, power on |
| ff 0f, 16, fe, ff | 1, 8, 1, 2 | class, serial number, reset, TSL version |
| fe xx, ff xx | by type | answer to a setting |

The frames carry no occupancy of their own: the distance alarm of the parking mode is the state, so the threshold
must be set to "below" and its release enabled (hence the warning). A distance without the flag, and anything a
tilted sensor measures, leaves the state as it is. The parking mode reports every 18 h by default.
Sources: Milesight-IoT/SensorDecoders em-series/em400-mud; EM400-MUD user guide; TheThingsNetwork/lorawan-devices
vendor/milesight-iot.
"""

from __future__ import annotations

from parking_codecs.codec import CodecError, Observation, ObservationKind, Scalar, SensorCodec
from parking_codecs.frame import expect_application_port

_MEASUREMENT_BYTES = {
    (0x01, 0x75): 1,
    (0x03, 0x67): 2,
    (0x04, 0x82): 2,
    (0x05, 0x00): 1,
    (0x06, 0x88): 9,
    (0x83, 0x67): 3,
    (0x84, 0x82): 3,
}
_DEVICE_BYTES = {0x01: 1, 0x09: 2, 0x0A: 2, 0x0B: 1, 0x0F: 1, 0x16: 8, 0xFE: 1, 0xFF: 2}
_SETTING_BYTES = {
    0x02: 2,
    0x03: 2,
    0x06: 9,
    0x10: 1,
    0x13: 1,
    0x1C: 2,
    0x28: 1,
    0x3E: 1,
    0x4A: 1,
    0x56: 1,
    0x70: 2,
    0x71: 1,
    0x77: 2,
}
_WORKING_MODES = {0: "standard", 1: "bin", 2: "parking"}

Elements = dict[tuple[int, int], bytes]


class MilesightEm400Mud(SensorCodec):
    """Decoder of the EM400-MUD; see the module for the elements."""

    name = "milesight_em400_mud"
    profile_names = ("Milesight EM400-MUD", "EM400-MUD")
    heartbeat_seconds = 64_800
    warning = (
        "The EM400-MUD tells the state only by its distance alarm: set the parking mode, an alarm for distances "
        "below that of the empty bay, and the report when the alarm ends."
    )

    def decode(self, f_port: int, payload: bytes) -> Observation:
        """Read the elements in order; an unknown or cut-short one is a `CodecError`."""
        expect_application_port(f_port, payload)
        elements = _elements(f_port, payload)
        attributes = _device_attributes(elements)
        temperature = elements.get((0x83, 0x67), elements.get((0x03, 0x67)))
        distance = elements.get((0x84, 0x82), elements.get((0x04, 0x82)))
        if distance is not None:
            attributes["distance_millimetres"] = int.from_bytes(distance[:2], "little")
        if (0x83, 0x67) in elements:
            attributes["temperature_alarm"] = bool(elements[0x83, 0x67][2])
        if (0x05, 0x00) in elements:
            attributes["tilted"] = bool(elements[0x05, 0x00][0])
        battery = elements.get((0x01, 0x75))
        return Observation(
            kind=_kind(elements),
            occupied=_occupied(f_port, payload, elements),
            battery_percent=float(battery[0]) if battery else None,
            temperature_celsius=int.from_bytes(temperature[:2], "little", signed=True) / 10 if temperature else None,
            attributes=attributes,
        )


def _elements(f_port: int, payload: bytes) -> Elements:
    elements: Elements = {}
    offset = 0
    while offset < len(payload):
        key = (payload[offset], payload[offset + 1] if offset + 1 < len(payload) else -1)
        size = _MEASUREMENT_BYTES.get(key)
        if size is None and key[0] == 0xFF:
            size = _DEVICE_BYTES.get(key[1])
        if size is None and key[0] in {0xFE, 0xFF}:
            size = _SETTING_BYTES.get(key[1])
        if size is None or offset + 2 + size > len(payload):
            raise CodecError(
                f"unknown or cut-short element at byte {offset}: {payload[offset : offset + 4].hex()}",
                f_port=f_port,
                length=len(payload),
            )
        elements[key] = payload[offset + 2 : offset + 2 + size]
        offset += 2 + size
    return elements


def _occupied(f_port: int, payload: bytes, elements: Elements) -> bool | None:
    alarm = elements.get((0x84, 0x82))
    if alarm is None:
        return None
    if alarm[2] > 1:
        raise CodecError(f"expected alarm flag 0 or 1, not {alarm[2]}", f_port=f_port, length=len(payload))
    if elements.get((0x05, 0x00), b"\0") != b"\0":
        return None
    return alarm[2] == 1


def _kind(elements: Elements) -> ObservationKind:
    if (0x84, 0x82) in elements:
        return "change"
    if (0xFF, 0x0B) in elements or (0xFF, 0xFE) in elements:
        return "start_up"
    if any(channel < 0x80 for channel, _ in elements):
        return "heartbeat"
    return "configuration" if any(channel >= 0xFE for channel, _ in elements) else "other"


def _device_attributes(elements: Elements) -> dict[str, Scalar]:
    attributes: dict[str, Scalar] = {}
    if hardware := elements.get((0xFF, 0x09)):
        attributes["hardware"] = f"{hardware[0]:x}.{hardware[1] >> 4}"
    if firmware := elements.get((0xFF, 0x0A)):
        attributes["firmware"] = f"{firmware[0]:x}.{firmware[1]:x}"
    if serial := elements.get((0xFF, 0x16)):
        attributes["serial_number"] = serial.hex()
    for channel in (0xFE, 0xFF):
        if mode := elements.get((channel, 0x71)):
            attributes["working_mode"] = _WORKING_MODES.get(mode[0], "unknown")
        if interval := elements.get((channel, 0x03)):
            attributes["report_interval_seconds"] = int.from_bytes(interval, "little")
    return attributes


CODEC = MilesightEm400Mud()
