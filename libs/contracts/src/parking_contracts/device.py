"""What a LoRaWAN device tells about itself: the envelope all its events share, and every event but the uplink.

Produced by uplink_ingestor from ChirpStack's `join`, `ack`, `txack`, `log`, `status` and `location` events on the
DEVICES stream; consumed by occupancy_engine.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from parking_contracts.moment import Moment

_DEV_EUI = re.compile(r"[0-9a-f]{16}")
_EUI_SEPARATORS = str.maketrans("", "", ":- ")

DevEui = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]


def parse_eui(text: str) -> str:
    """Return an EUI-64 as 16 lower-case hex digits; `:`, `-` and spaces may separate its bytes.

    Raises:
        ValueError: The text is no EUI-64.
    """
    eui = text.translate(_EUI_SEPARATORS).lower()
    if not _DEV_EUI.fullmatch(eui):
        raise ValueError(f"not an EUI-64: {text[:64]!r}; expected 16 hex digits such as 70b3d57ed0061a2b")
    return eui


class DeviceFact(msgspec.Struct, frozen=True, kw_only=True):
    """Who speaks, and when we heard it.

    `source` names the authenticated integration that delivered the event; `received_at` is stamped once, at the
    MQTT receipt; `time` is ChirpStack's claim and may come from a gateway's drifting clock.
    """

    source: str
    dev_eui: str
    application_id: str
    application_name: str = ""
    network_tenant_id: str = ""
    device_name: str = ""
    device_profile_name: str = ""
    tags: dict[str, str] = {}
    deduplication_id: str = ""
    time: Moment | None = None
    received_at: Moment


class DeviceJoined(DeviceFact, frozen=True, kw_only=True):
    """The network accepted a join: fCnt restarts under a new devAddr. Repeats are normal."""

    dev_addr: str


class DownlinkAcknowledged(DeviceFact, frozen=True, kw_only=True):
    """A device confirmed a downlink, or stayed silent where it should have confirmed."""

    queue_item_id: str
    acknowledged: bool
    f_cnt_down: int


class DownlinkTransmitted(DeviceFact, frozen=True, kw_only=True):
    """A LoRaWAN gateway sent a downlink on air."""

    downlink_id: int
    queue_item_id: str
    f_cnt_down: int
    gateway_id: str


class DeviceLogged(DeviceFact, frozen=True, kw_only=True):
    """The network server reports a problem with a device. `level` is INFO, WARNING or ERROR."""

    level: str
    code: str
    description: str = ""
    context: dict[str, str] = {}


class DeviceStatus(DeviceFact, frozen=True, kw_only=True):
    """Battery (per cent, absent when unknown) and demodulation margin (dB) from a DevStatusAns."""

    margin: int
    external_power: bool
    battery_percent: float | None = None


class DeviceLocated(DeviceFact, frozen=True, kw_only=True):
    """A device position in WGS 84 degrees, altitude in metres."""

    latitude: float
    longitude: float
    altitude: float = 0.0
