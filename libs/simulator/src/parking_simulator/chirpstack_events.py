"""The events of ChirpStack v4's MQTT integration, as its JSON marshaler and its protobuf marshaler write them.

In: typed events. Out: topic and bytes. The JSON rules (read off ChirpStack 4.19, crate `chirpstack_integration` with
pbjson): camelCase; messages of the `integration` package write every scalar, also 0 and ""; messages of `gw` and
`common` (rxInfo, txInfo, location) leave defaults out; an unset sub-message is absent; bytes are base64; times are
RFC 3339 with `+00:00` and 0, 3, 6 or 9 decimals.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
from chirpstack_api import integration  # type: ignore[import-untyped]  # generated code without stubs
from google.protobuf import json_format
from google.protobuf.message import Message
from msgspec import UNSET, UnsetType

from parking_contracts.subjects import EventName

_NS_PER_SECOND: Final = 1_000_000_000


class DeviceInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who speaks: the sub-message `deviceInfo` that every event carries."""

    tenant_id: str
    tenant_name: str = ""
    application_id: str
    application_name: str = ""
    device_profile_id: str = ""
    device_profile_name: str = ""
    device_name: str = ""
    dev_eui: str
    device_class_enabled: Literal["CLASS_A", "CLASS_B", "CLASS_C"] = "CLASS_A"
    tags: dict[str, str] = {}


class Location(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """`common.Location`: WGS 84 degrees, metres."""

    latitude: float = 0.0
    longitude: float = 0.0
    altitude: float = 0.0


class RxInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """`gw.UplinkRxInfo`: one gateway's reception; rssi in dBm, snr in dB."""

    gateway_id: str = ""
    uplink_id: int = 0
    gw_time: str = ""
    ns_time: str = ""
    rssi: int = 0
    snr: float = 0.0
    channel: int = 0
    rf_chain: int = 0
    board: int = 0
    antenna: int = 0
    location: Location | UnsetType = UNSET
    context: bytes = b""
    metadata: dict[str, str] = {}
    crc_status: Literal["NO_CRC", "BAD_CRC", "CRC_OK"] = "NO_CRC"


class LoraModulation(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """`gw.LoraModulationInfo`: bandwidth in Hz."""

    bandwidth: int = 0
    spreading_factor: int = 0
    code_rate: str = "CR_UNDEFINED"
    polarization_inversion: bool = False


class Modulation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`gw.Modulation`, the LoRa branch of its oneof."""

    lora: LoraModulation


class UplinkTxInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """`gw.UplinkTxInfo`: how the device sent; frequency in Hz."""

    frequency: int = 0
    modulation: Modulation | UnsetType = UNSET


class Delay(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`gw.DelayTimingInfo`: a protobuf duration such as `1s`."""

    delay: str


class Immediately(msgspec.Struct, frozen=True):
    """`gw.ImmediatelyTimingInfo`: class C; it says nothing more."""


class Timing(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`gw.Timing`, two branches of its oneof: after an uplink, or at once."""

    delay: Delay | UnsetType = UNSET
    immediately: Immediately | UnsetType = UNSET


class DownlinkTxInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """`gw.DownlinkTxInfo`: how a gateway sent; Hz and dBm."""

    frequency: int = 0
    power: int = 0
    modulation: Modulation | UnsetType = UNSET
    timing: Timing | UnsetType = UNSET
    context: bytes = b""


class UplinkEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`up`. A MAC-only frame has fPort 0 and no data; `object` is absent where ChirpStack has no codec."""

    deduplication_id: str
    time: str
    device_info: DeviceInfo
    dev_addr: str
    adr: bool = False
    dr: int = 0
    f_cnt: int = 0
    f_port: int = 0
    confirmed: bool = False
    data: bytes = b""
    object: dict[str, Any] | UnsetType = UNSET
    rx_info: tuple[RxInfo, ...] = ()
    tx_info: UplinkTxInfo | UnsetType = UNSET
    region_config_id: str = ""


class JoinEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`join`: sent when the join-accept is scheduled, so repeats are normal."""

    deduplication_id: str
    time: str
    device_info: DeviceInfo
    dev_addr: str
    region_config_id: str = ""


class AckEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`ack`: the answer to a confirmed downlink, or its absence."""

    deduplication_id: str
    time: str
    device_info: DeviceInfo
    queue_item_id: str
    acknowledged: bool = False
    f_cnt_down: int = 0


class TxAckEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`txack`: a gateway sent a downlink. It has no deduplicationId."""

    downlink_id: int
    time: str
    device_info: DeviceInfo
    queue_item_id: str
    f_cnt_down: int = 0
    gateway_id: str
    tx_info: DownlinkTxInfo | UnsetType = UNSET


class LogEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`log`: a problem with the device. It has no deduplicationId of its own."""

    time: str
    device_info: DeviceInfo
    level: Literal["INFO", "WARNING", "ERROR"]
    code: str
    description: str = ""
    context: dict[str, str] = {}


class StatusEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`status`: margin in dB, battery in per cent."""

    deduplication_id: str
    time: str
    device_info: DeviceInfo
    margin: int = 0
    external_power_source: bool = False
    battery_level_unavailable: bool = False
    battery_level: float = 0.0


class LocationEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`location`: a position that a resolver found for the device."""

    deduplication_id: str
    time: str
    device_info: DeviceInfo
    location: Location


Event = UplinkEvent | JoinEvent | AckEvent | TxAckEvent | LogEvent | StatusEvent | LocationEvent

EVENT_NAMES: Final[dict[type, EventName]] = {
    UplinkEvent: "up",
    JoinEvent: "join",
    AckEvent: "ack",
    TxAckEvent: "txack",
    LogEvent: "log",
    StatusEvent: "status",
    LocationEvent: "location",
}
MESSAGES: Final[dict[EventName, type[Message]]] = {
    "up": integration.UplinkEvent,
    "join": integration.JoinEvent,
    "ack": integration.AckEvent,
    "txack": integration.TxAckEvent,
    "log": integration.LogEvent,
    "status": integration.StatusEvent,
    "location": integration.LocationEvent,
}

_json = msgspec.json.Encoder()


def topic(event: Event) -> str:
    """The topic ChirpStack publishes this event under."""
    info = event.device_info
    return f"application/{info.application_id}/device/{info.dev_eui}/event/{EVENT_NAMES[type(event)]}"


def encode_json(event: Event) -> bytes:
    """The event as ChirpStack's JSON marshaler writes it (`json = true`, its default)."""
    return _json.encode(event)


def encode_protobuf(event: Event) -> bytes:
    """The event as ChirpStack's protobuf marshaler writes it (`json = false`)."""
    message = MESSAGES[EVENT_NAMES[type(event)]]()
    return json_format.Parse(encode_json(event), message).SerializeToString()


def format_time(at_ns: int) -> str:
    """RFC 3339 in UTC with as many decimals (0, 3, 6 or 9) as the instant, in ns since 1970, needs."""
    seconds, fraction = divmod(at_ns, _NS_PER_SECOND)
    whole = _format_seconds(seconds)
    if fraction == 0:
        return whole + "+00:00"
    if fraction % 1_000_000 == 0:
        return f"{whole}.{fraction // 1_000_000:03d}+00:00"
    if fraction % 1_000 == 0:
        return f"{whole}.{fraction // 1_000:06d}+00:00"
    return f"{whole}.{fraction:09d}+00:00"


@functools.lru_cache(maxsize=1024)
def _format_seconds(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
