"""A ChirpStack for tests: `parking_simulator.chirpstack`, small networks for it, and a client to it.

`chirpstack` starts doubles on free ports, at this test's MQTT broker unless told otherwise:

    async def test_something(chirpstack: StartChirpStack) -> None:
        double = await chirpstack(network_of(Busylight, HeltecSign))
        (busylight, sign) = double.displays.values()
"""

import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Protocol

import pytest
from chirpstack_api import api
from grpc import aio

from parking_contracts.permissions import CHIRPSTACK
from parking_simulator.chirpstack import (
    Application,
    ChirpStackDouble,
    DeviceProfile,
    DisplayOnAir,
    Gateway,
    Network,
    NetworkDevice,
    Tenant,
)
from parking_simulator.chirpstack.displays import SimulatedDisplay
from parking_simulator.chirpstack.network import DeviceClass
from parking_simulator.chirpstack_events import Event, LogEvent
from stack.own_logins import as_user
from stack.servers import NatsAccount

TENANT_ID = "52f14cd4-c6f1-4fbd-8f87-4025e1d49242"
APPLICATION_ID = "ca739e26-7b67-4f14-b69e-d568c22a5a75"
GATEWAY_ID = "0016c001f153a14c"
_numbers = itertools.count(1)


def new_display_eui() -> str:
    """A DevEUI that no other test has, of no maker's prefix."""
    return f"5adf{next(_numbers):012x}"


def network_of(
    *displays: type[SimulatedDisplay] | tuple[type[SimulatedDisplay], str],
    application_id: str = APPLICATION_ID,
    gateways: tuple[str, ...] = (GATEWAY_ID,),
    device_class: DeviceClass | None = None,
) -> Network:
    """A tenant, an application, these gateways, and a display per family named, in order (with its DevEUI if given).

    Each is of its family's class unless `device_class` says otherwise.
    """
    network = Network(
        tenants=[Tenant(id=TENANT_ID, name="City")],
        applications=[Application(id=application_id, tenant_id=TENANT_ID, name="parking")],
        gateways=[Gateway(id=one, tenant_id=TENANT_ID, name=f"gateway-{one[-4:]}") for one in gateways],
    )
    for one in displays:
        family, dev_eui = one if isinstance(one, tuple) else (one, new_display_eui())
        add_display(network, family, dev_eui, application_id=application_id, device_class=device_class)
    return network


def add_display(
    network: Network,
    family: type[SimulatedDisplay],
    dev_eui: str | None = None,
    *,
    application_id: str = APPLICATION_ID,
    device_class: DeviceClass | None = None,
) -> NetworkDevice:
    """Another display in reach of every gateway, with its profile; before the double is made."""
    listens = device_class or ("A" if family.device_class == "A" else "C")
    tenant_id = network.applications[application_id].tenant_id
    profile_id = str(uuid.uuid5(uuid.UUID(tenant_id), f"{family.profile_name}/{listens}"))
    network.profiles.setdefault(
        profile_id,
        DeviceProfile(id=profile_id, tenant_id=tenant_id, name=family.profile_name, device_class=listens),
    )
    eui = dev_eui or new_display_eui()
    device = NetworkDevice(
        dev_eui=eui,
        name=f"display-{eui[-4:]}",
        application_id=application_id,
        device_profile_id=profile_id,
        gateways=tuple(network.gateways),
        display=family.family,
    )
    network.devices[eui] = device
    return device


class StartChirpStack(Protocol):
    """`await chirpstack(network)`; further arguments are those of `ChirpStackDouble`."""

    def __call__(self, network: Network, **settings: Any) -> Awaitable[ChirpStackDouble]: ...


@pytest.fixture
async def chirpstack(empty_nats_account: NatsAccount) -> AsyncIterator[StartChirpStack]:
    """Start doubles, at this test's MQTT broker unless `mqtt` names another (None: at none); they end with the test."""
    async with AsyncExitStack() as running:

        async def start(network: Network, **settings: Any) -> ChirpStackDouble:
            given = {"mqtt": as_user(empty_nats_account.mqtt_url, CHIRPSTACK), **settings}
            return await running.enter_async_context(ChirpStackDouble(network, **given))

        yield start


def call(double: ChirpStackDouble, service: type, *, token: str | None = "") -> Any:
    """A stub of `chirpstack_api.api` at the double, with its token, another one, or none (None).

    Returns an object whose methods await the answer; the channel lives as long as it is used.
    """
    return Client(double.url.partition("://")[2], service, double.token if token == "" else token)


class Client:
    """One channel per call: a test makes few, and nothing is left open."""

    def __init__(self, target: str, service: type, token: str | None) -> None:
        self._target = target
        self._service = service
        self._metadata = [] if token is None else [("authorization", f"Bearer {token}")]

    def __getattr__(self, method: str) -> Any:
        async def ask(request: Any) -> Any:
            async with aio.insecure_channel(self._target) as channel:
                return await getattr(self._service(channel), method)(request, metadata=self._metadata, timeout=10)

        return ask


async def enqueue(double: ChirpStackDouble, dev_eui: str, data: bytes, f_port: int = 15, **given: Any) -> str:
    """Queue a downlink over gRPC (`flush`, `confirmed`, `expires_at`, `id`, ...); the id that ChirpStack gave it."""
    flush = given.pop("flush", False)
    item = api.DeviceQueueItem(**{"dev_eui": dev_eui, "f_port": f_port, "data": data, **given})
    request = api.EnqueueDeviceQueueItemRequest(queue_item=item, flush_queue=flush)
    return (await call(double, api.DeviceServiceStub).Enqueue(request)).id


def told(double: ChirpStackDouble, kind: type, item_id: str) -> Callable[[], list[Any]]:
    """A function that finds the events of one kind about a queue item."""

    def find() -> list[Any]:
        return [one for one in double.events if isinstance(one, kind) and _item_of(one) == item_id]

    return find


def only(double: ChirpStackDouble) -> DisplayOnAir:
    """The display of a double that has one."""
    (display,) = double.displays.values()
    return display


def _item_of(event: Event) -> str | None:
    if isinstance(event, LogEvent):
        return event.context.get("queue_item_id")
    return getattr(event, "queue_item_id", None)
