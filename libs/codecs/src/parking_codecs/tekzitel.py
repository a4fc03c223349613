"""Tekzitel TEKZIPARK parking sensor (magnetometer, radar, Bluetooth beacons).

Both ports begin with: byte 0 flags (bit 7 occupied, 5 battery good, 4 obstruction, 3 seen by radar, 2 no beacon,
1 reset, 0 keep-alive), byte 1 temperature int8 in degrees C, byte 2 parking id.

| fPort | bytes | meaning |
|---|---|---|
| 1 | 3, or 4 + 2n | state; with beacons: RSSI int8 in dBm, then n beacon ids of uint16 |
| 2 | 12 | with diagnostics: deflection x, y, z, baseline x, y, z (int8), fault code, obstruction, reflection |

Source: TheThingsNetwork/lorawan-devices vendor/tekzitel. The keep-alive period is a setting of the device; a day is
assumed until a device says otherwise.
"""

from __future__ import annotations

from parking_codecs.codec import CodecError, Observation, ObservationKind, Scalar, SensorCodec
from parking_codecs.frame import expect_length, signed, unknown_port, unsigned


class Tekzipark(SensorCodec):
    """Decoder of the TEKZIPARK; see the module for the frames."""

    name = "tekzitel_tekzipark"
    profile_names = ("Tekzitel TEKZIPARK", "TEKZIPARK")
    heartbeat_seconds = 86_400

    def decode(self, f_port: int, payload: bytes) -> Observation:
        """Read ports 1 and 2; everything else is a `CodecError`."""
        match f_port:
            case 1:
                if len(payload) < 3 or (len(payload) > 3 and len(payload) % 2):
                    raise CodecError("expected 3 bytes, or 4 and 2 per beacon", f_port=1, length=len(payload))
                extra = _beacons(payload[3:])
            case 2:
                expect_length(f_port, payload, {12})
                extra = _diagnostics(payload[3:])
            case _:
                raise unknown_port(f_port, payload, "1 (state) or 2 (state with diagnostics)")
        flags = payload[0]
        kind: ObservationKind = "start_up" if flags & 0x02 else "heartbeat" if flags & 0x01 else "change"
        return Observation(
            kind=kind,
            occupied=bool(flags & 0x80),
            temperature_celsius=float(signed(payload[1:2])),
            attributes={
                "parking_id": payload[2],
                "battery_good": bool(flags & 0x20),
                "obstruction": bool(flags & 0x10),
                "radar": bool(flags & 0x08),
                "no_beacon": bool(flags & 0x04),
                **extra,
            },
        )


def _beacons(rest: bytes) -> dict[str, Scalar]:
    if not rest:
        return {}
    ids = [f"{unsigned(rest[offset : offset + 2]):04x}" for offset in range(1, len(rest), 2)]
    return {"beacon_rssi_dbm": signed(rest[:1]), "beacons": ",".join(ids)}


def _diagnostics(rest: bytes) -> dict[str, Scalar]:
    names = ("deflection_x", "deflection_y", "deflection_z", "baseline_x", "baseline_y", "baseline_z")
    axes: dict[str, Scalar] = {name: signed(rest[i : i + 1]) for i, name in enumerate(names)}
    return {**axes, "fault_code": rest[6], "obstruction_level": rest[7], "reflection": rest[8]}


CODEC = Tekzipark()
