"""MOKO LW009-SM parking sensor (magnetometer and radar), and the magnetometer-only LW009-IG of the same protocol.

fPort 1, big endian. Header of 12 bytes: frame head, protocol version, uint32 time (s since 1970), uint16 frame counter,
uint16 length of the elements, instruction code, encryption flag. Then elements: tag, length, value.

| tag | bytes | meaning |
|---|---|---|
| 02 | 1 | event: 00 heartbeat, 0b became empty, 0c became occupied, 0d magnetic interference, 0e battery low, |
|    |   | 0f or 10 magnetometer failed, 11 temperature and humidity failed, 12 radar failed |
| 03, 05 | n | device type (85 LW009-SM, 82 LW009-IG), device version |
| 06 | n | heartbeat interval in units of 30 s |
| 0b | 1 | temperature, int8, degrees C |
| 22 | 1 | sensitivity level |
| 23 | n | radar data, undocumented, kept as hex |
| 24, 29 | 1, n | battery in %, in mV |
| 25 | 6 | magnetometer x, y, z, int16 |
| 32 | 1 | parking status, 1 = a car |
| 35 | 1 | humidity, % |

Sources: MOKO's LW009 decoders as published for TagoIO and for its own device tools. They publish no example frames, and
differ on tag 06 (n or n + 1 units). Neither tells the default heartbeat; a day is assumed.
"""

from __future__ import annotations

from collections.abc import Iterator

from parking_codecs.codec import CodecError, Observation, ObservationKind, Scalar, SensorCodec
from parking_codecs.frame import expect_at_least, signed, unknown_port, unsigned

_HEADER_BYTES = 12
_EVENTS: dict[int, tuple[str, ObservationKind]] = {
    0x00: ("heartbeat", "heartbeat"),
    0x0B: ("became_empty", "change"),
    0x0C: ("became_occupied", "change"),
    0x0D: ("magnetic_interference", "other"),
    0x0E: ("battery_low", "other"),
    0x0F: ("magnetometer_failed", "other"),
    0x10: ("magnetometer_failed", "other"),
    0x11: ("temperature_and_humidity_failed", "other"),
    0x12: ("radar_failed", "other"),
}
_BLINDING_EVENTS = {0x0F, 0x10, 0x12}
_FIXED_BYTES = {0x02: 1, 0x0B: 1, 0x22: 1, 0x24: 1, 0x25: 6, 0x32: 1, 0x35: 1}


class MokoLw009(SensorCodec):
    """Decoder of the LW009; see the module for the elements."""

    name = "moko_lw009"
    profile_names = ("MOKO LW009-SM", "MOKO LW009-IG", "LW009-SM", "LW009-IG")
    heartbeat_seconds = 86_400

    def decode(self, f_port: int, payload: bytes) -> Observation:
        """Read one frame of port 1. Elements with an unknown tag are stepped over."""
        if f_port != 1:
            raise unknown_port(f_port, payload, "1")
        expect_at_least(f_port, payload, _HEADER_BYTES)
        if payload[11]:
            raise CodecError(
                "the frame is encrypted; switch the device's own encryption off", f_port=1, length=len(payload)
            )
        elements = dict(_elements(payload))
        event = elements[0x02][0] if 0x02 in elements else None
        if event is not None and event not in _EVENTS:
            raise CodecError(f"unknown event {event:02x}", f_port=1, length=len(payload))
        if 0x02 not in elements and 0x03 not in elements and 0x32 not in elements:
            raise CodecError("expected an event, a state or parameters", f_port=1, length=len(payload))
        kind: ObservationKind = "configuration" if 0x03 in elements else "other"
        attributes = _attributes(elements)
        attributes["frame_counter"] = unsigned(payload[6:8])
        if event is not None:
            attributes["event"], kind = _EVENTS[event]
        return Observation(
            kind=kind,
            occupied=_occupied(payload, elements, event),
            battery_volts=unsigned(elements[0x29]) / 1000 if 0x29 in elements else None,
            battery_percent=float(elements[0x24][0]) if 0x24 in elements else None,
            temperature_celsius=float(signed(elements[0x0B])) if 0x0B in elements else None,
            attributes=attributes,
        )


def _elements(payload: bytes) -> Iterator[tuple[int, bytes]]:
    end = _HEADER_BYTES + unsigned(payload[8:10])
    if len(payload) < end:
        raise CodecError(f"expected {end} bytes by the header", f_port=1, length=len(payload))
    offset = _HEADER_BYTES
    while offset < end:
        size = payload[offset + 1] if offset + 1 < end else 0
        value = payload[offset + 2 : offset + 2 + size]
        if not 1 <= size <= end - offset - 2:
            raise CodecError(f"element cut short at byte {offset}", f_port=1, length=len(payload))
        tag = payload[offset]
        if size != _FIXED_BYTES.get(tag, size) or size > 32:
            raise CodecError(f"element {tag:02x} has {size} bytes", f_port=1, length=len(payload))
        yield tag, value
        offset += 2 + size


def _occupied(payload: bytes, elements: dict[int, bytes], event: int | None) -> bool | None:
    if event in _BLINDING_EVENTS:
        # The sensor says that it cannot see: whatever state it repeats is not evidence.
        return None
    if 0x32 in elements:
        if elements[0x32][0] > 1:
            raise CodecError(f"unknown state {elements[0x32][0]:02x}", f_port=1, length=len(payload))
        return elements[0x32][0] == 1
    return {0x0B: False, 0x0C: True}.get(event) if event is not None else None


def _attributes(elements: dict[int, bytes]) -> dict[str, Scalar]:
    attributes: dict[str, Scalar] = {}
    for tag, name in (
        (0x03, "device_type"),
        (0x05, "device_version"),
        (0x22, "sensitivity"),
        (0x35, "humidity_percent"),
    ):
        if tag in elements:
            attributes[name] = unsigned(elements[tag][-4:])
    if 0x06 in elements:
        attributes["heartbeat_interval_seconds"] = unsigned(elements[0x06][-4:]) * 30
    if 0x23 in elements:
        attributes["radar_hex"] = elements[0x23].hex()
    if 0x25 in elements:
        for i, axis in enumerate("xyz"):
            attributes[f"magnetometer_{axis}"] = signed(elements[0x25][2 * i : 2 * i + 2])
    return attributes


CODEC = MokoLw009()
