"""The ChirpStack of a fictional city: its sensors, its displays and the LoRaWAN gateways in their reach.

In: a `City`. Out: a `Network` whose ids are those of the events that `parkstream simulate` publishes.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator
from statistics import fmean

from parking_simulator.chirpstack.displays import FAMILIES
from parking_simulator.chirpstack.network import (
    Application,
    DeviceClass,
    DeviceProfile,
    Gateway,
    Network,
    NetworkDevice,
    Tenant,
)
from parking_simulator.city import NAME, City
from parking_simulator.rendering import NAMESPACE
from parking_simulator.rendering import Application as Speaker


def network_of_city(city: City, speaker: Speaker) -> Network:
    """The network whose application is `speaker`."""
    network = Network(
        tenants=[Tenant(id=speaker.tenant_id, name=speaker.tenant_name)],
        applications=[Application(id=speaker.id, tenant_id=speaker.tenant_id, name=speaker.name)],
        gateways=_gateways(city, speaker.tenant_id),
    )
    for bay in city.bays:
        sensor, display = bay.device, bay.display
        profile_id = _profile(network, speaker.tenant_id, sensor.profile_name, "A", bay.model.heartbeat_seconds)
        network.devices[sensor.dev_eui] = NetworkDevice(
            dev_eui=sensor.dev_eui,
            name=sensor.name,
            application_id=speaker.id,
            device_profile_id=profile_id,
            gateways=sensor.gateways,
            tags=sensor.tags,
        )
        if display is None:
            continue
        family = FAMILIES[display.family]
        listens: DeviceClass = "A" if family.device_class == "A" else "C"
        interval = round(family.report_seconds)
        network.devices[display.dev_eui] = NetworkDevice(
            dev_eui=display.dev_eui,
            name=display.name,
            application_id=speaker.id,
            device_profile_id=_profile(network, speaker.tenant_id, display.profile_name, listens, interval),
            gateways=display.gateways,
            display=display.family,
            tags=sensor.tags,
        )
    return network


def _profile(network: Network, tenant_id: str, name: str, device_class: DeviceClass, interval_seconds: int) -> str:
    """The id of the profile of this name, made when first asked for."""
    profile_id = str(uuid.uuid5(NAMESPACE, name))
    network.profiles.setdefault(
        profile_id,
        DeviceProfile(
            id=profile_id,
            tenant_id=tenant_id,
            name=name,
            device_class=device_class,
            uplink_interval_seconds=interval_seconds,
        ),
    )
    return profile_id


def _gateways(city: City, tenant_id: str) -> Iterator[Gateway]:
    """Each gateway in the midst of the devices that it hears."""
    heard: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for bay in city.bays:
        for gateway_id in bay.device.gateways:
            heard[gateway_id].append((bay.device.latitude or 0.0, bay.device.longitude or 0.0))
    for number, (gateway_id, places) in enumerate(heard.items(), 1):
        yield Gateway(
            id=gateway_id,
            tenant_id=tenant_id,
            name=f"{NAME} {number}",
            latitude=round(fmean(place[0] for place in places), 6),
            longitude=round(fmean(place[1] for place in places), 6),
            altitude=12.0,
        )
