"""ChirpStack's JSON marshaler: the bytes of one event in, one of the contracts' device facts out. Pure.

`integration.*` messages write every scalar, `gw.*` and `common.*` (rxInfo, txInfo, location) leave defaults out, unset
sub-messages are absent, and newer releases add fields: none of that is an error. What cannot be true is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from parking_chassis.dead_letters import PoisonError
from parking_contracts.device import (
    DeviceFact,
    DeviceJoined,
    DeviceLocated,
    DeviceLogged,
    DeviceStatus,
    DownlinkAcknowledged,
    DownlinkTransmitted,
    parse_eui,
)
from parking_contracts.errors import DeadLetterCode
from parking_contracts.subjects import EventName
from parking_contracts.uplink import Reception, UplinkReceived
from uplink_ingestor.topics import EventTopic

U32 = Annotated[int, Meta(ge=0, le=2**32 - 1)]
# Wider than any radio, and as wide as the platform can store.
Decibels = Annotated[int, Meta(ge=-(2**15), le=2**15 - 1)]
FineDecibels = Annotated[float, Meta(ge=-(2**15), le=2**15 - 1)]
DevAddr = Annotated[str, Meta(max_length=8)]
Port = Annotated[int, Meta(ge=0, le=255)]
Time = Annotated[datetime, Meta(tz=True)]

_NO_OBJECT = msgspec.Raw(b"null")
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class _Json(msgspec.Struct, rename="camel", kw_only=True, gc=False):
    """ChirpStack's names; a field we do not know is skipped."""


class _DeviceInfo(_Json):
    application_id: str = ""
    application_name: str = ""
    tenant_id: str = ""
    device_name: str = ""
    device_profile_name: str = ""
    dev_eui: str = ""
    tags: dict[str, str] | None = None


class _RxInfo(_Json):
    gateway_id: str = ""
    rssi: Decibels = 0
    snr: FineDecibels = 0.0
    ns_time: Time | None = None


class _TxInfo(_Json):
    frequency: U32 = 0


class _Event(_Json):
    device_info: _DeviceInfo
    deduplication_id: str = ""
    time: Time | None = None


class _Up(_Event):
    dev_addr: DevAddr = ""
    adr: bool = False
    dr: U32 = 0
    f_cnt: U32 = 0
    f_port: Port = 0
    confirmed: bool = False
    data: bytes = b""
    object: msgspec.Raw = _NO_OBJECT
    rx_info: list[_RxInfo] | None = None
    tx_info: _TxInfo | None = None


class _Join(_Event):
    dev_addr: DevAddr = ""


class _Ack(_Event):
    queue_item_id: str = ""
    acknowledged: bool = False
    f_cnt_down: U32 = 0


class _TxAck(_Event):
    downlink_id: U32 = 0
    queue_item_id: str = ""
    f_cnt_down: U32 = 0
    gateway_id: str = ""


class _Log(_Event):
    level: str = "INFO"
    code: str = "UNKNOWN"
    description: str = ""
    context: dict[str, str] | None = None


class _Status(_Event):
    margin: Decibels = 0
    external_power_source: bool = False
    battery_level_unavailable: bool = False
    battery_level: Annotated[float, Meta(ge=0, le=100)] = 0.0


class _Location(_Json):
    latitude: Annotated[float, Meta(ge=-90, le=90)] = 0.0
    longitude: Annotated[float, Meta(ge=-180, le=180)] = 0.0
    altitude: float = 0.0


class _Located(_Event, kw_only=True):
    location: _Location


def parse_json(topic: EventTopic, body: bytes, *, source: str, received_at: datetime) -> DeviceFact:
    """Read one event.

    Raises:
        PoisonError: The body can never become an event; the detail names the field.
    """
    decode, build = _READERS[topic.event]
    try:
        if not body.isascii():
            body.decode()
        event = decode(body)
    except UnicodeDecodeError as error:
        raise PoisonError(DeadLetterCode.INVALID_ENCODING, f"not UTF-8: byte {error.start}: {error.reason}") from None
    except msgspec.ValidationError as error:
        raise PoisonError(_code_of(str(error)), str(error)) from None
    except msgspec.DecodeError as error:
        raise PoisonError(DeadLetterCode.INVALID_ENCODING, f"not JSON: {error}") from None
    except RecursionError:
        raise PoisonError(DeadLetterCode.INVALID_EVENT, "nested too deeply") from None
    if b"\\u0000" in body and _NUL.search(body):
        raise PoisonError(DeadLetterCode.INVALID_VALUE, "a text holds the character NUL (\\u0000)")
    info = event.device_info
    return build(
        event,
        {
            "source": source,
            "dev_eui": topic.confirm(info.application_id, info.dev_eui),
            "application_id": info.application_id,
            "application_name": info.application_name,
            "network_tenant_id": info.tenant_id,
            "device_name": info.device_name,
            "device_profile_name": info.device_profile_name,
            "tags": info.tags or {},
            "deduplication_id": event.deduplication_id,
            "time": event.time,
            "received_at": received_at,
        },
    )


def _code_of(message: str) -> DeadLetterCode:
    """A value of the right type that cannot be is another fault than a body of the wrong shape."""
    wrong_shape = ", got `" in message or "missing required field" in message
    return DeadLetterCode.INVALID_EVENT if wrong_shape else DeadLetterCode.INVALID_VALUE


def _up(event: _Up, fact: dict[str, Any]) -> UplinkReceived:
    if event.object is not _NO_OBJECT:
        _check_object(event.object)
    return UplinkReceived(
        dev_addr=event.dev_addr.lower(),
        f_cnt=event.f_cnt,
        f_port=event.f_port,
        data=event.data,
        object=event.object,
        receptions=tuple(
            [
                Reception(gateway_id=gateway_eui(rx.gateway_id), rssi=rx.rssi or None, snr=rx.snr, ns_time=rx.ns_time)
                for rx in event.rx_info or ()
                if rx.gateway_id
            ]
        ),
        confirmed=event.confirmed,
        adr=event.adr,
        dr=event.dr,
        frequency=(event.tx_info.frequency or None) if event.tx_info else None,
        **fact,
    )


def _check_object(raw: msgspec.Raw) -> None:
    """Carried untouched, it must be something that the next service can read."""
    try:
        msgspec.json.decode(raw, type=dict[str, Any] | None)
    except msgspec.DecodeError as error:
        raise PoisonError(DeadLetterCode.INVALID_VALUE, f"{error} - in `$.object`") from None


@lru_cache(maxsize=4096)
def gateway_eui(text: str) -> str:
    """A LoRaWAN gateway's id as 16 lower-case digits; there are few of them, so the answers are kept.

    Raises:
        PoisonError: The text is no EUI-64.
    """
    try:
        return parse_eui(text)
    except ValueError as error:
        raise PoisonError(DeadLetterCode.INVALID_VALUE, f"gatewayId: {error}") from None


def _join(event: _Join, fact: dict[str, Any]) -> DeviceJoined:
    return DeviceJoined(dev_addr=event.dev_addr.lower(), **fact)


def _ack(event: _Ack, fact: dict[str, Any]) -> DownlinkAcknowledged:
    return DownlinkAcknowledged(
        queue_item_id=event.queue_item_id, acknowledged=event.acknowledged, f_cnt_down=event.f_cnt_down, **fact
    )


def _txack(event: _TxAck, fact: dict[str, Any]) -> DownlinkTransmitted:
    return DownlinkTransmitted(
        downlink_id=event.downlink_id,
        queue_item_id=event.queue_item_id,
        f_cnt_down=event.f_cnt_down,
        gateway_id=gateway_eui(event.gateway_id) if event.gateway_id else "",
        **fact,
    )


def _log(event: _Log, fact: dict[str, Any]) -> DeviceLogged:
    return DeviceLogged(
        level=event.level, code=event.code, description=event.description, context=event.context or {}, **fact
    )


def _status(event: _Status, fact: dict[str, Any]) -> DeviceStatus:
    has_battery = not (event.battery_level_unavailable or event.external_power_source)
    return DeviceStatus(
        margin=event.margin,
        external_power=event.external_power_source,
        battery_percent=event.battery_level if has_battery else None,
        **fact,
    )


def _located(event: _Located, fact: dict[str, Any]) -> DeviceLocated:
    place = event.location
    return DeviceLocated(latitude=place.latitude, longitude=place.longitude, altitude=place.altitude, **fact)


_READERS: dict[EventName, tuple[Callable[[bytes], Any], Callable[[Any, dict[str, Any]], DeviceFact]]] = {
    "up": (msgspec.json.Decoder(_Up).decode, _up),
    "join": (msgspec.json.Decoder(_Join).decode, _join),
    "ack": (msgspec.json.Decoder(_Ack).decode, _ack),
    "txack": (msgspec.json.Decoder(_TxAck).decode, _txack),
    "log": (msgspec.json.Decoder(_Log).decode, _log),
    "status": (msgspec.json.Decoder(_Status).decode, _status),
    "location": (msgspec.json.Decoder(_Located).decode, _located),
}
