"""Dingtek DO200, DO201 and DO202 parking occupancy sensors (ultrasonic and magnetometer; DO202 magnetometer only).

fPort 3, big endian. Every frame: 0x80, 0x00, model (02 DO200, 31 DO201, 32 DO202), type, length of the whole
frame, body, 0x81. Types 01 and 02 are telemetry, type 03 the parameters.

| offset | DO200 telemetry, 21 bytes | DO201 and DO202 telemetry, 23 bytes |
|---|---|---|
| 5 | uint16 ultrasonic distance, mm | the same (no meaning on DO202) |
| 7 | high nibble: vehicle, low nibble: distance alarm | the same |
| 8 | high nibble: magnetic alarm, low nibble: battery alarm | the same |
| 9 | uint16 battery, 10 mV | the same |
| 11 | int16 magnetometer x, y, z | the same |
| 17 | uint16 frame counter, 1 byte unused | int8 temperature in degrees C, uint8 humidity in %, |
| 19 | | uint16 frame counter, 1 byte unused |

Parameters, 17 bytes on DO200: firmware major, minor; upload interval h; ultrasonic interval min; magnetic
interval s; 2 bytes unused; uint16 magnetic threshold mG. 16 bytes on the others: firmware; upload interval h;
detection interval min; distance threshold cm; uint16 magnetic threshold; battery threshold %.
Source: TheThingsNetwork/lorawan-devices vendor/dingtek (do200, do201, do202). Uploads come once a day by default.
"""

from __future__ import annotations

from parking_codecs.codec import CodecError, Observation, Scalar, SensorCodec
from parking_codecs.frame import signed, unknown_port, unsigned

_MODELS = {0x02: "DO200", 0x31: "DO201", 0x32: "DO202"}
_TELEMETRY_BYTES = {"DO200": 21, "DO201": 23, "DO202": 23}
_PARAMETER_BYTES = {"DO200": 17, "DO201": 16, "DO202": 16}


class DingtekDo200(SensorCodec):
    """Decoder of the DO20x models; see the module for the frames."""

    name = "dingtek_do200"
    profile_names = ("Dingtek DO200", "Dingtek DO201", "Dingtek DO202")
    heartbeat_seconds = 86_400

    def decode(self, f_port: int, payload: bytes) -> Observation:
        """Read telemetry and parameter frames of port 3; everything else is a `CodecError`."""
        if f_port != 3:
            raise unknown_port(f_port, payload, "3")
        size = len(payload)
        if size < 6 or payload[0] != 0x80 or payload[-1] != 0x81 or payload[4] != size:
            raise CodecError("expected 80 00 model type length .. 81, with its own length", f_port=3, length=size)
        model = _MODELS.get(payload[2])
        if model is None:
            raise CodecError(f"expected model 02, 31 or 32, not {payload[2]:02x}", f_port=3, length=size)
        if payload[3] in {1, 2} and size == _TELEMETRY_BYTES[model]:
            return _telemetry(model, payload)
        if payload[3] == 3 and size == _PARAMETER_BYTES[model]:
            return _parameters(model, payload)
        raise CodecError(
            f"expected telemetry of {_TELEMETRY_BYTES[model]} or parameters of {_PARAMETER_BYTES[model]} bytes "
            f"from a {model}, not type {payload[3]:02x}",
            f_port=3,
            length=size,
        )


def _telemetry(model: str, payload: bytes) -> Observation:
    attributes: dict[str, Scalar] = {
        "model": model,
        "distance_alarm": bool(payload[7] & 0x0F),
        "magnetic_alarm": bool(payload[8] >> 4),
        "battery_alarm": bool(payload[8] & 0x0F),
        "magnetometer_x": signed(payload[11:13]),
        "magnetometer_y": signed(payload[13:15]),
        "magnetometer_z": signed(payload[15:17]),
    }
    if model != "DO202":
        attributes["distance_millimetres"] = unsigned(payload[5:7])
    temperature = None
    if model == "DO200":
        attributes["frame_counter"] = unsigned(payload[17:19])
    else:
        temperature = float(signed(payload[17:18]))
        attributes |= {"humidity_percent": payload[18], "frame_counter": unsigned(payload[19:21])}
    # The frame does not say what caused it; a change and an upload on time look the same.
    return Observation(
        kind="other",
        occupied=bool(payload[7] >> 4),
        battery_volts=unsigned(payload[9:11]) / 100,
        temperature_celsius=temperature,
        attributes=attributes,
    )


def _parameters(model: str, payload: bytes) -> Observation:
    attributes: dict[str, Scalar] = {
        "model": model,
        "firmware": f"{payload[5]}.{payload[6]}",
        "upload_interval_hours": payload[7],
    }
    if model == "DO200":
        attributes |= {
            "ultrasonic_interval_minutes": payload[8],
            "magnetic_interval_seconds": payload[9],
            "magnetic_threshold": unsigned(payload[12:14]),
        }
    else:
        attributes |= {
            "detection_interval_minutes": payload[8],
            "magnetic_threshold": unsigned(payload[10:12]),
            "battery_threshold_percent": payload[12],
        }
        if model == "DO201":
            attributes["distance_threshold_centimetres"] = payload[9]
    return Observation(kind="configuration", attributes=attributes)


CODEC = DingtekDo200()
