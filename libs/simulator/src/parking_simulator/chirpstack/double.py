"""The double itself: gRPC on one port of loopback, MQTT at one broker, displays on air, faults at will.

Stopped, it is a ChirpStack that is away: nobody answers on the port, nothing goes on air, and the queues stay as they
are until `start` opens the same port again.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

import grpc
import msgspec
import structlog
from chirpstack_api import api  # type: ignore[import-untyped]  # generated code without stubs
from grpc import aio

from parking_simulator.chirpstack.access import Access
from parking_simulator.chirpstack.air import DisplayOnAir
from parking_simulator.chirpstack.commands import CommandRefusedError, read_command
from parking_simulator.chirpstack.device_service import DeviceService
from parking_simulator.chirpstack.directory_services import ApplicationService, DeviceProfileService, TenantService
from parking_simulator.chirpstack.displays import FAMILIES
from parking_simulator.chirpstack.downlinks import Downlinks, Timing
from parking_simulator.chirpstack.gate import Faults, Gate
from parking_simulator.chirpstack.gateway_service import GatewayService
from parking_simulator.chirpstack.mqtt_side import MqttSide
from parking_simulator.chirpstack.network import Network, NetworkDevice
from parking_simulator.chirpstack.queue import Enqueued, QueueItem
from parking_simulator.chirpstack_events import Event
from parking_simulator.publisher import MqttVersion
from parking_simulator.sensors import Payload

log = structlog.get_logger()

Hook = Callable[[Enqueued], Awaitable[None]]
LOOPBACK: Final = "127.0.0.1"
MOST_REMEMBERED: Final = 200_000
JOINING_SECONDS: Final = 10.0


class HeardUplink(msgspec.Struct, rename="camel"):
    """What the double wants to know of an uplink that somebody else published."""

    class Reception(msgspec.Struct, rename="camel"):
        """One gateway's reception."""

        gateway_id: str = ""
        snr: float = 0.0

    device_info: dict[str, Any]
    deduplication_id: str = ""
    rx_info: list[Reception] = []


_heard = msgspec.json.Decoder(HeardUplink)


class ChirpStackDouble:
    """A ChirpStack for `network`. `token` is an admin key; `tenant_tokens` maps further keys to their tenants.

    The displays join at the start, and then do only what they are told. Those of a `living` network join when the
    first uplink of somebody else's device is heard, one after the other, and report by themselves from then on: a
    city that nobody simulates is silent.

    tokens: the admin keys; change them to rotate one.
    enqueued: everything that was queued, in order, over gRPC and MQTT.
    refused: what came over MQTT and was not queued: topic and reason.
    events: everything published (a broker given or not).
    displays: the simulated displays by DevEUI.
    faults, timing: change them at any time.
    before_enqueue, after_enqueue: awaited inside the call, before the item is queued (and before a flush), and when it
        is queued but the answer has not left.
    """

    def __init__(
        self,
        network: Network,
        *,
        mqtt: str | None = None,
        mqtt_version: MqttVersion = "3.1.1",
        token: str = "chirpstack-admin-key",  # noqa: S107  a test's
        tenant_tokens: Mapping[str, str] | None = None,
        port: int = 0,
        tls: tuple[Path, Path] | None = None,
        timing: Timing | None = None,
        living: bool = False,
    ) -> None:
        self.network = network
        self.token = token
        self.tokens = {token}
        self.faults = Faults()
        self.timing = timing or Timing()
        self.enqueued: list[Enqueued] = []
        self.refused: list[tuple[str, str]] = []
        self.events: list[Event] = []
        self.before_enqueue: Hook | None = None
        self.after_enqueue: Hook | None = None
        self._port = port
        self._tls = tls
        self._access = Access(
            network=network, faults=self.faults, admin_tokens=self.tokens, tenant_tokens=dict(tenant_tokens or {})
        )
        self._downlinks = Downlinks(network, self.timing, self._emit, self._deliver)
        self.displays = {
            device.dev_eui: DisplayOnAir(device, FAMILIES[device.display](), network, self._downlinks, self._emit)
            for device in network.devices.values()
            if device.display is not None
        }
        self._mqtt = MqttSide(mqtt, mqtt_version, self._on_command, self._on_uplink) if mqtt else None
        self._server: Any = None
        self._living = living
        self._joined = False

    @property
    def url(self) -> str:
        """Where the gRPC services are: `http://127.0.0.1:<port>`, or `https://localhost:<port>` with TLS."""
        return f"https://localhost:{self._port}" if self._tls else f"http://{LOOPBACK}:{self._port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Serve, on the port it had before if it has run before; every display joins when it starts first."""
        if self._mqtt is not None:
            await self._mqtt.start()
        await self._serve()
        if not self._living and not self._joined:
            self._joined = True
            for display in self.displays.values():
                display.rejoin()
        self._downlinks.resume()

    async def stop(self) -> None:
        """Go away at once: calls under way end as a broken connection."""
        if self._server is not None:
            await self._server.stop(grace=None)
            self._server = None
        for display in self.displays.values():
            display.power_off()
        await self._downlinks.stop()
        if self._mqtt is not None:
            await self._mqtt.stop()

    async def drain(self) -> None:
        """Wait until the broker has acknowledged every event so far."""
        if self._mqtt is not None:
            await self._mqtt.drain()

    def deny_device(self, dev_eui: str) -> None:
        """From now on the token has no right to this device: UNAUTHENTICATED."""
        self.faults.denied.add(dev_eui.lower())

    def allow_device(self, dev_eui: str) -> None:
        """Take `deny_device` back."""
        self.faults.denied.discard(dev_eui.lower())

    def enqueued_for(self, dev_eui: str) -> list[Enqueued]:
        """What was queued for one device."""
        return [one for one in self.enqueued if one.dev_eui == dev_eui]

    def queue_of(self, dev_eui: str) -> list[QueueItem]:
        """What is queued for one device now."""
        return list(self._downlinks.link(dev_eui).queue.items)

    async def take(self, device: NetworkDevice, item: QueueItem, note: Enqueued) -> None:
        """Queue an item, between the hooks."""
        if self.before_enqueue is not None:
            await self.before_enqueue(note)
        if note.flush:
            self._downlinks.link(device.dev_eui).queue.flush()
        _remember(self.enqueued, note)
        self._downlinks.enqueue(device, item)
        if self.after_enqueue is not None:
            await self.after_enqueue(note)

    async def _serve(self) -> None:
        # Another process must not be able to share the port, or a test would talk to its neighbour's double.
        self._server = server = aio.server(
            interceptors=[Gate(self.faults, self._access.knows)], options=[("grpc.so_reuseport", 0)]
        )
        network, access = self.network, self._access
        api.add_DeviceServiceServicer_to_server(DeviceService(network, self._downlinks, access, self), server)
        api.add_GatewayServiceServicer_to_server(GatewayService(network, access), server)
        api.add_TenantServiceServicer_to_server(TenantService(network, access), server)
        api.add_ApplicationServiceServicer_to_server(ApplicationService(network, access), server)
        api.add_DeviceProfileServiceServicer_to_server(DeviceProfileService(network, access), server)
        address = f"{LOOPBACK}:{self._port}"
        if self._tls is None:
            self._port = server.add_insecure_port(address)
        else:
            key, certificate = (path.read_bytes() for path in self._tls)
            self._port = server.add_secure_port(address, grpc.ssl_server_credentials([(key, certificate)]))
        await server.start()

    def _emit(self, event: Event) -> None:
        _remember(self.events, event)
        if self._mqtt is not None:
            self._mqtt.publish(event)

    def _deliver(self, device: NetworkDevice, downlink: Payload, confirmed: bool) -> None:
        display = self.displays.get(device.dev_eui)
        if display is not None:
            display.receive(downlink, confirmed=confirmed)

    def _on_command(self, topic: str, body: bytes) -> None:
        try:
            device, item = read_command(topic, body, self.network, self._downlinks.is_queued)
        except CommandRefusedError as error:
            log.warning("command_refused", topic=topic, reason=str(error))
            _remember(self.refused, (topic, str(error)))
            return
        _remember(self.enqueued, _note(device, item, "mqtt"))
        self._downlinks.enqueue(device, item)

    def _on_uplink(self, topic: str, body: bytes) -> None:
        """Somebody plays a device that we do not simulate: it was heard, and may be answered."""
        device = self.network.devices.get(topic.split("/")[3])
        if device is None or device.display is not None:
            return
        try:
            uplink = _heard.decode(body)
        except msgspec.DecodeError:
            return
        if self._living and not self._joined:
            self._wake_all()
        best_first = sorted(uplink.rx_info, key=lambda one: -one.snr)
        self._downlinks.heard(device, [one.gateway_id for one in best_first], frame=uplink.deduplication_id)

    def _wake_all(self) -> None:
        self._joined = True
        for number, display in enumerate(self.displays.values(), 1):
            display.power_on(JOINING_SECONDS * number / len(self.displays))


def _note(device: NetworkDevice, item: QueueItem, via: Literal["grpc", "mqtt"]) -> Enqueued:
    return Enqueued(
        id=item.id,
        dev_eui=device.dev_eui,
        f_port=item.f_port,
        data=item.data,
        confirmed=item.confirmed,
        flush=False,
        at=time.monotonic(),
        wall=time.time(),
        via=via,
    )


def _remember(things: list[Any], one: Any) -> None:
    """Note it; a double that runs for weeks forgets the older half now and then."""
    things.append(one)
    if len(things) > MOST_REMEMBERED:
        del things[: MOST_REMEMBERED // 2]
