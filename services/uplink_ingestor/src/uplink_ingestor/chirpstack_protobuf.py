"""ChirpStack's protobuf marshaler (`chirpstack_api.integration`): bytes in, one of the contracts' facts out. Pure.

Protobuf has no absent scalars: what was not sent reads as 0 or "", as it does in the JSON of ChirpStack.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from chirpstack_api import integration  # type: ignore[import-untyped]  # generated code without stubs
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError

from parking_chassis.dead_letters import PoisonError
from parking_contracts.device import (
    DeviceFact,
    DeviceJoined,
    DeviceLocated,
    DeviceLogged,
    DeviceStatus,
    DownlinkAcknowledged,
    DownlinkTransmitted,
)
from parking_contracts.errors import DeadLetterCode
from parking_contracts.subjects import EventName
from parking_contracts.uplink import Reception, UplinkReceived
from uplink_ingestor.chirpstack_json import gateway_eui
from uplink_ingestor.topics import EventTopic

DEV_ADDR_DIGITS = 8
# Wider than any radio, and as wide as the platform can store.
DECIBELS = (-(2**15), 2**15 - 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_protobuf(topic: EventTopic, body: bytes, *, source: str, received_at: datetime) -> DeviceFact:
    """Read one event.

    Raises:
        PoisonError: The body can never become an event; the detail names the field.
    """
    message, build = _READERS[topic.event]
    try:
        event = message.FromString(body)
    except DecodeError:
        raise PoisonError(
            DeadLetterCode.INVALID_ENCODING, f"neither a JSON object nor a protobuf {message.DESCRIPTOR.name}"
        ) from None
    if not event.HasField("device_info"):
        raise PoisonError(DeadLetterCode.INVALID_EVENT, "device_info is missing")
    info = event.device_info
    tags = dict(info.tags)
    _refuse_nul(
        (info.application_id, info.application_name, info.tenant_id, info.device_name, info.device_profile_name)
    )
    _refuse_nul((*tags, *tags.values()))
    fact = {
        "source": source,
        "dev_eui": topic.confirm(info.application_id, info.dev_eui),
        "application_id": info.application_id,
        "application_name": info.application_name,
        "network_tenant_id": info.tenant_id,
        "device_name": info.device_name,
        "device_profile_name": info.device_profile_name,
        "tags": tags,
        "deduplication_id": getattr(event, "deduplication_id", ""),
        "time": _time(event, "time"),
        "received_at": received_at,
    }
    return build(event, fact)


def _time(message: Any, field: str) -> datetime | None:
    if not message.HasField(field):
        return None
    stamp = getattr(message, field)
    try:
        return _EPOCH + timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
    except OverflowError:
        raise PoisonError(
            DeadLetterCode.INVALID_VALUE, f"{field}: {stamp.seconds} s since 1970 is no date between year 1 and 9999"
        ) from None


def _refuse_nul(texts: Iterable[str]) -> None:
    for text in texts:
        if "\0" in text:
            raise PoisonError(DeadLetterCode.INVALID_VALUE, f"the text {text[:100]!r} holds the character NUL")


def _within(value: float, low: float, high: float, field: str) -> float:
    if not low <= value <= high:  # false for NaN as well
        raise PoisonError(DeadLetterCode.INVALID_VALUE, f"{field}: expected {low:g} to {high:g}, got {value}")
    return value


def _finite(value: float, field: str) -> float:
    if not math.isfinite(value):
        raise PoisonError(DeadLetterCode.INVALID_VALUE, f"{field}: expected a number, got {value}")
    return value


def _up(event: Any, fact: dict[str, Any]) -> UplinkReceived:
    return UplinkReceived(
        dev_addr=_dev_addr(event),
        f_cnt=event.f_cnt,
        f_port=int(_within(event.f_port, 0, 255, "f_port")),
        data=event.data,
        object=_object(event),
        receptions=tuple(
            [
                Reception(
                    gateway_id=gateway_eui(rx.gateway_id),
                    rssi=int(_within(rx.rssi, *DECIBELS, "rx_info.rssi")) or None,
                    snr=_within(rx.snr, *DECIBELS, "rx_info.snr"),
                    ns_time=_time(rx, "ns_time"),
                )
                for rx in event.rx_info
                if rx.gateway_id
            ]
        ),
        confirmed=event.confirmed,
        adr=event.adr,
        dr=event.dr,
        frequency=event.tx_info.frequency or None,
        **fact,
    )


def _object(event: Any) -> msgspec.Raw:
    """ChirpStack's own decoding as the JSON marshaler would have written it."""
    if not event.HasField("object"):
        return msgspec.Raw(b"null")
    try:
        text = msgspec.json.encode(MessageToDict(event.object))
    except (ValueError, RecursionError) as error:  # NaN and infinity have no JSON; a Struct can nest without end
        raise PoisonError(DeadLetterCode.INVALID_VALUE, f"object: {error}") from None
    if b"\\u0000" in text:
        raise PoisonError(DeadLetterCode.INVALID_VALUE, "object: a text holds the character NUL")
    return msgspec.Raw(text)


def _join(event: Any, fact: dict[str, Any]) -> DeviceJoined:
    return DeviceJoined(dev_addr=_dev_addr(event), **fact)


def _dev_addr(event: Any) -> str:
    _refuse_nul((event.dev_addr,))
    _within(len(event.dev_addr), 0, DEV_ADDR_DIGITS, "characters of dev_addr")
    return str(event.dev_addr).lower()


def _ack(event: Any, fact: dict[str, Any]) -> DownlinkAcknowledged:
    _refuse_nul((event.queue_item_id,))
    return DownlinkAcknowledged(
        queue_item_id=event.queue_item_id, acknowledged=event.acknowledged, f_cnt_down=event.f_cnt_down, **fact
    )


def _txack(event: Any, fact: dict[str, Any]) -> DownlinkTransmitted:
    _refuse_nul((event.queue_item_id,))
    return DownlinkTransmitted(
        downlink_id=event.downlink_id,
        queue_item_id=event.queue_item_id,
        f_cnt_down=event.f_cnt_down,
        gateway_id=gateway_eui(event.gateway_id) if event.gateway_id else "",
        **fact,
    )


def _log(event: Any, fact: dict[str, Any]) -> DeviceLogged:
    context = dict(event.context)
    _refuse_nul((event.description, *context, *context.values()))
    return DeviceLogged(
        level=_name(integration.LogLevel, event.level),
        code=_name(integration.LogCode, event.code),
        description=event.description,
        context=context,
        **fact,
    )


def _name(enumeration: Any, number: int) -> str:
    """A value's name, or the number where a newer ChirpStack has values we do not know."""
    value = enumeration.DESCRIPTOR.values_by_number.get(number)
    return value.name if value is not None else str(number)


def _status(event: Any, fact: dict[str, Any]) -> DeviceStatus:
    level = _within(event.battery_level, 0, 100, "battery_level")
    has_battery = not (event.battery_level_unavailable or event.external_power_source)
    return DeviceStatus(
        margin=int(_within(event.margin, *DECIBELS, "margin")),
        external_power=event.external_power_source,
        battery_percent=level if has_battery else None,
        **fact,
    )


def _located(event: Any, fact: dict[str, Any]) -> DeviceLocated:
    if not event.HasField("location"):
        raise PoisonError(DeadLetterCode.INVALID_EVENT, "location is missing")
    place = event.location
    return DeviceLocated(
        latitude=_within(place.latitude, -90, 90, "location.latitude"),
        longitude=_within(place.longitude, -180, 180, "location.longitude"),
        altitude=_finite(place.altitude, "location.altitude"),
        **fact,
    )


_READERS: dict[EventName, tuple[Any, Callable[[Any, dict[str, Any]], DeviceFact]]] = {
    "up": (integration.UplinkEvent, _up),
    "join": (integration.JoinEvent, _join),
    "ack": (integration.AckEvent, _ack),
    "txack": (integration.TxAckEvent, _txack),
    "log": (integration.LogEvent, _log),
    "status": (integration.StatusEvent, _status),
    "location": (integration.LocationEvent, _located),
}
