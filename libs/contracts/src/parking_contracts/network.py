"""What the network server's own API tells of devices and LoRaWAN gateways, as facts that their owners take up.

Produced by downlink_dispatcher through its outbox on the DEVICES stream, whenever it has asked ChirpStack and something
is new, and every hour otherwise; devices are taken up by occupancy_engine.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from parking_contracts.device import DeviceFact
from parking_contracts.moment import Moment

DeviceClass = Literal["A", "B", "C"]
GatewayState = Literal["online", "offline", "never_seen"]


class DeviceSynced(DeviceFact, frozen=True, kw_only=True):
    """A device as the network server lists it; `received_at` is when it was asked.

    Its application decides whose it is: one that no tenant has bound is nobody's.
    """

    device_class: DeviceClass = "A"
    is_disabled: bool = False
    last_seen_at: Moment | None = None


class GatewaySynced(msgspec.Struct, frozen=True, kw_only=True):
    """A LoRaWAN gateway: WGS 84 degrees, metres, and packets of the last 24 hours."""

    source: str
    gateway_id: str
    network_tenant_id: str
    name: str
    description: str = ""
    latitude: float | None = None
    longitude: float | None = None
    altitude: float | None = None
    state: GatewayState
    last_seen_at: Moment | None = None
    received_24h: int = 0
    sent_24h: int = 0
    synced_at: Moment


EVENT_TYPES: dict[type, str] = {
    DeviceSynced: "parkstream.device.synced.v1",
    GatewaySynced: "parkstream.gateway.synced.v1",
}
