"""What ChirpStack lists, as the facts that the bus carries.

In: list items of its API. Out: DeviceSynced and GatewaySynced; None for what names no EUI. Pure.
"""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from downlink_dispatcher.network.listing import Application, DeviceClass
from parking_contracts.device import parse_eui
from parking_contracts.network import DeviceSynced, GatewayState, GatewaySynced

STATES: dict[int, GatewayState] = {0: "never_seen", 1: "online", 2: "offline"}
LATITUDE_LIMIT = 90.0
LONGITUDE_LIMIT = 180.0
NOT_IN_TEXT = "\x00"  # PostgreSQL's text cannot hold it


def read_device(
    listed: Any, application: Application, device_class: DeviceClass, *, source: str, now: datetime
) -> DeviceSynced | None:
    """A device of an application's list."""
    try:
        dev_eui = parse_eui(listed.dev_eui)
    except ValueError:
        return None
    return DeviceSynced(
        source=source,
        dev_eui=dev_eui,
        application_id=application.id,
        application_name=_text(application.name),
        network_tenant_id=application.tenant_id,
        device_name=_text(listed.name),
        device_profile_name=_text(listed.device_profile_name),
        tags={_text(key): _text(value) for key, value in listed.tags.items()},
        received_at=now,
        device_class=device_class,
        last_seen_at=_moment(listed, "last_seen_at"),
    )


def digest(fact: DeviceSynced, tenant_id: UUID | None) -> bytes:
    """Changes with whatever is worth telling at once: all but when it was seen and asked for; and whose it is."""
    lasting = msgspec.structs.replace(fact, received_at=datetime.min.replace(tzinfo=UTC), last_seen_at=None)
    told = msgspec.json.encode([lasting, tenant_id], order="sorted")
    return hashlib.blake2b(told, digest_size=16).digest()


def read_gateway(listed: Any, *, source: str, now: datetime) -> GatewaySynced | None:
    """A LoRaWAN gateway of a tenant's list, its traffic still to be asked for. 0, 0 is how none says where it is."""
    try:
        gateway_id = parse_eui(listed.gateway_id)
    except ValueError:
        return None
    place = listed.location
    is_placed = _is_angle(place.latitude, LATITUDE_LIMIT) and _is_angle(place.longitude, LONGITUDE_LIMIT)
    is_placed = is_placed and (place.latitude, place.longitude) != (0.0, 0.0)
    return GatewaySynced(
        source=source,
        gateway_id=gateway_id,
        network_tenant_id=str(listed.tenant_id),
        name=_text(listed.name),
        description=_text(listed.description),
        latitude=place.latitude if is_placed else None,
        longitude=place.longitude if is_placed else None,
        altitude=place.altitude if is_placed and math.isfinite(place.altitude) else None,
        state=STATES.get(listed.state, "offline"),
        last_seen_at=_moment(listed, "last_seen_at"),
        synced_at=now,
    )


def _is_angle(degrees: float, limit: float) -> bool:
    return -limit <= degrees <= limit


def _moment(listed: Any, field: str) -> datetime | None:
    if not listed.HasField(field):
        return None
    try:
        at: datetime = getattr(listed, field).ToDatetime(UTC)
    except (ValueError, OverflowError):  # a year that there is not
        return None
    return at


def _text(text: str) -> str:
    return text.replace(NOT_IN_TEXT, "")
