"""What a ChirpStack knows: tenants, applications, device profiles, devices and gateways. Plain data, changed at will.

Whoever changes a value here changes what the next call sees; nothing is cached.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from parking_simulator.chirpstack_events import DeviceInfo

DeviceClass = Literal["A", "C"]
GatewayState = Literal["online", "offline", "never_seen"]
CREATED_AT: Final = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


class Tenant(msgspec.Struct, kw_only=True):
    """A tenant; `id` is a UUID in text, as everywhere here."""

    id: str
    name: str


class Application(msgspec.Struct, kw_only=True):
    """An application of a tenant."""

    id: str
    tenant_id: str
    name: str
    description: str = ""
    tags: dict[str, str] = {}


class DeviceProfile(msgspec.Struct, kw_only=True):
    """A device profile; the class of its devices, and how long a confirmed class C downlink waits for its ACK."""

    id: str
    tenant_id: str
    name: str
    device_class: DeviceClass = "C"
    class_c_timeout_seconds: float = 5.0
    uplink_interval_seconds: int = 3600
    flush_queue_on_activate: bool = False
    tags: dict[str, str] = {}


class NetworkDevice(msgspec.Struct, kw_only=True):
    """A device. `gateways` are those in its reach, nearest first; with none it can be neither heard nor reached.

    `display` names the simulator behind it (`displays.FAMILIES`), None for a device that somebody else plays.
    `data_rate` is 0 (SF12) to 5 (SF7): it bounds what a downlink may carry.
    """

    dev_eui: str
    name: str
    application_id: str
    device_profile_id: str
    gateways: tuple[str, ...] = ()
    display: str | None = None
    description: str = ""
    tags: dict[str, str] = {}
    data_rate: int = 5
    last_seen_at: datetime | None = None


class Gateway(msgspec.Struct, kw_only=True):
    """A LoRaWAN gateway. `received` and `sent` count packets by minute since 1970."""

    id: str
    tenant_id: str
    name: str
    state: GatewayState = "online"
    latitude: float = 0.0
    longitude: float = 0.0
    altitude: float = 0.0
    description: str = ""
    stats_interval_seconds: int = 30
    last_seen_at: datetime | None = None
    received: Counter[int] = msgspec.field(default_factory=Counter)
    sent: Counter[int] = msgspec.field(default_factory=Counter)

    @property
    def online(self) -> bool:
        """Whether it can send now."""
        return self.state == "online"


class Network:
    """Everything by id, in the order given."""

    def __init__(
        self,
        *,
        tenants: Iterable[Tenant] = (),
        applications: Iterable[Application] = (),
        profiles: Iterable[DeviceProfile] = (),
        devices: Iterable[NetworkDevice] = (),
        gateways: Iterable[Gateway] = (),
        rx2_data_rate: int = 0,
    ) -> None:
        # Class C downlinks go out in RX2, so that its data rate, and not the device's, bounds them: 51 bytes at 0.
        self.rx2_data_rate = rx2_data_rate
        self.tenants = {one.id: one for one in tenants}
        self.applications = {one.id: one for one in applications}
        self.profiles = {one.id: one for one in profiles}
        self.devices = {one.dev_eui: one for one in devices}
        self.gateways = {one.id: one for one in gateways}

    def profile_of(self, device: NetworkDevice) -> DeviceProfile:
        """The profile of a device."""
        return self.profiles[device.device_profile_id]

    def tenant_of(self, device: NetworkDevice) -> str:
        """The id of the tenant that owns a device."""
        return self.applications[device.application_id].tenant_id

    def info(self, device: NetworkDevice, *, application_tags: bool = True) -> DeviceInfo:
        """The `deviceInfo` of an event; tags merge application, profile, device (`txack` and `ack` omit the first)."""
        application = self.applications[device.application_id]
        profile = self.profile_of(device)
        tags = {**(application.tags if application_tags else {}), **profile.tags, **device.tags}
        return DeviceInfo(
            tenant_id=application.tenant_id,
            tenant_name=self.tenants[application.tenant_id].name,
            application_id=application.id,
            application_name=application.name,
            device_profile_id=profile.id,
            device_profile_name=profile.name,
            device_name=device.name,
            dev_eui=device.dev_eui,
            device_class_enabled="CLASS_C" if profile.device_class == "C" else "CLASS_A",
            tags=tags,
        )

    def hear(self, device: NetworkDevice, gateway_ids: Iterable[str], at: datetime) -> None:
        """Note an uplink: the device and the gateways that received it were alive."""
        device.last_seen_at = at
        for gateway_id in gateway_ids:
            gateway = self.gateways.get(gateway_id)
            if gateway is not None and gateway.online:
                gateway.last_seen_at = at
                gateway.received[int(at.timestamp()) // 60] += 1
