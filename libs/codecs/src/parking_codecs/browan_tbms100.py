"""Browan TBMS100 motion sensor, an indoor passive-infrared detector for people that is met in parking bays.

| fPort | bytes | meaning |
|---|---|---|
| 102 | 8 | byte 0 bit 0 occupied; byte 1 low nibble: battery = 2.5 V + 0.1 V per unit; byte 2 low 7 bits: |
|     |   | temperature + 32, degrees C; uint16 LE minutes since the last event; uint24 LE events so far |
| 204 | any | configuration, kept as hex |

Eight zero bytes are what the device sends without a measurement, and are refused: they would read as "free".
It does not see cars: a parked one stops moving and reads free after 5 minutes, hence the warning.
Source: TheThingsNetwork/lorawan-devices vendor/browan/tbms100. It reports every hour by default.
"""

from __future__ import annotations

from parking_codecs.codec import CodecError, Observation, SensorCodec
from parking_codecs.frame import expect_at_least, expect_length, unknown_port


class BrowanTbms100(SensorCodec):
    """Decoder of the TBMS100; see the module for the frames."""

    name = "browan_tbms100"
    profile_names = ("Browan TBMS100", "Browan Motion Sensor")
    dev_eui_prefixes = ("58a0cb",)
    heartbeat_seconds = 3_600
    warning = (
        "The TBMS100 is an indoor infrared detector for people: a parked car reads free 5 minutes after its driver "
        "has left. Use a parking sensor, or treat its readings as movement only."
    )

    def decode(self, f_port: int, payload: bytes) -> Observation:
        """Read ports 102 and 204; everything else, and an all-zero frame, is a `CodecError`."""
        if f_port == 204:
            expect_at_least(f_port, payload, 1)
            return Observation(kind="configuration", attributes={"payload_hex": payload.hex()})
        if f_port != 102:
            raise unknown_port(f_port, payload, "102 (state) or 204 (configuration)")
        expect_length(f_port, payload, {8})
        if not any(payload):
            raise CodecError("all bytes are zero: no measurement", f_port=f_port, length=len(payload))
        minutes = int.from_bytes(payload[3:5], "little")
        return Observation(
            kind="heartbeat" if minutes else "change",
            occupied=bool(payload[0] & 1),
            battery_volts=(25 + (payload[1] & 0x0F)) / 10,
            temperature_celsius=float((payload[2] & 0x7F) - 32),
            attributes={
                "minutes_since_event": minutes,
                "event_count": int.from_bytes(payload[5:8], "little"),
            },
        )


CODEC = BrowanTbms100()
