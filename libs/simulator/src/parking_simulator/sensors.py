"""The parking sensors of the fictional world: what each family puts into a frame at start-up, change and heartbeat.

In: what the sensor feels (`Sensation`). Out: fPort and payload bytes, which `parking_codecs` reads back (a test holds
the two together, profile names and heartbeat intervals included). Layouts: see the codec of each family.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec


class Sensation(NamedTuple):
    """What a sensor knows when it sends. `previous_minutes`: how long the state before the present one lasted."""

    occupied: bool
    at_seconds: int
    sequence: int
    celsius: int
    volts: float
    percent: int
    previous_minutes: int


class Payload(NamedTuple):
    """What the device hands to LoRaWAN."""

    f_port: int
    data: bytes


Say = Callable[[Sensation], Payload]


class SensorModel(msgspec.Struct, frozen=True, kw_only=True):
    """One sensor family. `name` is the short name for a mix, `codec` that of the codec which reads it.

    `states_at_start` and `states_in_heartbeat`: whether those frames tell the occupancy too.
    """

    name: str
    codec: str
    profile_name: str
    heartbeat_seconds: int
    start_up: Say
    change: Say
    heartbeat: Say
    states_at_start: bool = True
    states_in_heartbeat: bool = True


def _bosch_start(felt: Sensation) -> Payload:
    return Payload(3, bytes.fromhex("240300007503000000000000001d0203") + bytes([felt.occupied]))


def _bosch_change(felt: Sensation) -> Payload:
    return Payload(1, bytes([felt.occupied]))


def _bosch_heartbeat(felt: Sensation) -> Payload:
    return Payload(2, struct.pack(">Bb", felt.occupied, felt.celsius))


def _nwave_start(felt: Sensation) -> Payload:
    return Payload(3, bytes([1, 13, 0, 2, felt.occupied]))


def _nps310_heartbeat(felt: Sensation) -> Payload:
    return Payload(2, bytes([felt.occupied]))


def _nps405_change(felt: Sensation) -> Payload:
    return Payload(1, bytes([nwave_duration(felt.previous_minutes) << 1 | felt.occupied]))


def _nps405_heartbeat(felt: Sensation) -> Payload:
    millivolts = round(felt.volts * 1000)
    return Payload(2, struct.pack(">BBb", felt.occupied, (millivolts - 2500) // 4, (felt.celsius - 10) * 2))


def nwave_duration(minutes: int) -> int:
    """Seven bits: minutes up to 89, steps of 5 from 90, steps of 60 from 240, 127 for 660 and more."""
    if minutes < 90:
        return max(0, minutes)
    if minutes < 240:
        return 90 + (minutes - 90) // 5
    return 120 + (minutes - 240) // 60 if minutes < 660 else 127


def _tekzitel(cause: int) -> Say:
    def say(felt: Sensation) -> Payload:
        flags = (0x80 | 0x08 if felt.occupied else 0) | 0x20 | cause
        return Payload(1, struct.pack(">BbB", flags, felt.celsius, felt.sequence & 0xFF))

    return say


def _dingtek(felt: Sensation) -> Payload:
    distance, magnetic = (250, 400) if felt.occupied else (0, 111)
    body = struct.pack(
        ">HBBHhhhH",
        *(distance, felt.occupied << 4, 0, round(felt.volts * 100)),
        *(magnetic + 10, -80, -11, felt.sequence & 0xFFFF),
    )
    return Payload(3, bytes([0x80, 0, 2, 1, 21]) + body + bytes([0, 0x81]))


def _placepod_start(felt: Sensation) -> Payload:
    return Payload(1, bytes([0x3F, 1, 1, 0x37, 0x66, felt.occupied]))


def _placepod_change(felt: Sensation) -> Payload:
    return Payload(1, bytes([0x15, 0x66, felt.occupied]))


def _placepod_heartbeat(felt: Sensation) -> Payload:
    quantities = struct.pack(">BBHBBh", 3, 2, round(felt.volts * 100), 2, 0x67, felt.celsius * 10)
    return Payload(1, quantities + bytes([0x37, 0x66, felt.occupied]))


def _libelium(frame_type: int) -> Say:
    def say(felt: Sensation) -> Payload:
        return Payload(1, bytes([felt.occupied << 7 | frame_type, felt.sequence & 0xFF]) + bytes(9))

    return say


def _moko(felt: Sensation, elements: bytes) -> Payload:
    header = struct.pack(
        ">BBIHHBB", 0xF0, 1, felt.at_seconds & 0xFFFFFFFF, felt.sequence & 0xFFFF, len(elements), 0x90, 0
    )
    return Payload(1, header + elements)


def _moko_start(felt: Sensation) -> Payload:
    return _moko(felt, bytes([0x03, 1, 0x85, 0x32, 1, felt.occupied]))


def _moko_change(felt: Sensation) -> Payload:
    return _moko(felt, bytes([0x02, 1, 0x0C if felt.occupied else 0x0B, 0x32, 1, felt.occupied]))


def _moko_heartbeat(felt: Sensation) -> Payload:
    quantities = struct.pack(">BBbBBB", 0x0B, 1, felt.celsius, 0x24, 1, felt.percent)
    return _moko(felt, bytes([0x02, 1, 0, 0x32, 1, felt.occupied]) + quantities)


def _em400_start(_felt: Sensation) -> Payload:
    return Payload(85, bytes.fromhex("ff0bffff0101ff0a0101"))


def _em400_change(felt: Sensation) -> Payload:
    distance = 600 if felt.occupied else 2300
    return Payload(85, struct.pack("<BBHB", 0x84, 0x82, distance, felt.occupied))


def _em400_heartbeat(felt: Sensation) -> Payload:
    distance = 600 if felt.occupied else 2300
    fields = (0x01, 0x75, felt.percent, 0x03, 0x67, felt.celsius * 10, 0x04, 0x82, distance, 0x05, 0x00, 0)
    return Payload(85, struct.pack("<BBBBBhBBHBBB", *fields))


_MODELS: Final = (
    SensorModel(
        name="bosch",
        codec="bosch_tps110",
        profile_name="Bosch TPS110",
        heartbeat_seconds=86_400,
        start_up=_bosch_start,
        change=_bosch_change,
        heartbeat=_bosch_heartbeat,
    ),
    SensorModel(
        name="nps310",
        codec="nwave_nps310",
        profile_name="Nwave NPS310",
        heartbeat_seconds=86_400,
        start_up=_nwave_start,
        change=_bosch_change,
        heartbeat=_nps310_heartbeat,
    ),
    SensorModel(
        name="nwave",
        codec="nwave_nps405",
        profile_name="Nwave NPS405",
        heartbeat_seconds=86_400,
        start_up=_nwave_start,
        change=_nps405_change,
        heartbeat=_nps405_heartbeat,
    ),
    SensorModel(
        name="tekzitel",
        codec="tekzitel_tekzipark",
        profile_name="Tekzitel TEKZIPARK",
        heartbeat_seconds=86_400,
        start_up=_tekzitel(0x02),
        change=_tekzitel(0x00),
        heartbeat=_tekzitel(0x01),
    ),
    SensorModel(
        name="dingtek",
        codec="dingtek_do200",
        profile_name="Dingtek DO200",
        heartbeat_seconds=86_400,
        start_up=_dingtek,
        change=_dingtek,
        heartbeat=_dingtek,
    ),
    SensorModel(
        name="placepod",
        codec="pni_placepod",
        profile_name="PNI PlacePod",
        heartbeat_seconds=86_400,
        start_up=_placepod_start,
        change=_placepod_change,
        heartbeat=_placepod_heartbeat,
    ),
    SensorModel(
        name="libelium",
        codec="libelium_smart_parking_v2",
        profile_name="Libelium Smart Parking v2",
        heartbeat_seconds=10_800,
        start_up=_libelium(4),
        change=_libelium(0),
        heartbeat=_libelium(1),
    ),
    SensorModel(
        name="moko",
        codec="moko_lw009",
        profile_name="MOKO LW009-SM",
        heartbeat_seconds=86_400,
        start_up=_moko_start,
        change=_moko_change,
        heartbeat=_moko_heartbeat,
    ),
    SensorModel(
        name="milesight",
        codec="milesight_em400_mud",
        profile_name="Milesight EM400-MUD",
        heartbeat_seconds=64_800,
        start_up=_em400_start,
        change=_em400_change,
        heartbeat=_em400_heartbeat,
        states_at_start=False,
        states_in_heartbeat=False,
    ),
)
SENSORS: Final[Mapping[str, SensorModel]] = {model.name: model for model in _MODELS}

DEFAULT_MIX: Final = "bosch=0.3,nwave=0.2,nps310=0.1,placepod=0.1,libelium=0.1,tekzitel=0.1,dingtek=0.05,moko=0.05"
