"""When a queued item goes on air, through which gateway, and what becomes of it.

In: items that were queued, and uplinks that were heard. Out: events, and frames for the device. Class A gets one item
per uplink, in the window after it; class C gets them at once, one after the other, through the gateway that heard the
device best in its last uplink, and none before it has spoken.

An unconfirmed item leaves the queue when the gateway says that it sent it, a confirmed one stays there, pending, until
the device acknowledges it. Without an acknowledgement it is given up, and nobody sends it again: in class A with the
next uplink, in class C after the profile's time-out, until which it blocks what is queued behind it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from parking_simulator.chirpstack import telling
from parking_simulator.chirpstack.network import Gateway, Network, NetworkDevice
from parking_simulator.chirpstack.queue import MAX_PAYLOAD_BYTES, DeviceQueue, QueueItem
from parking_simulator.chirpstack_events import Event
from parking_simulator.sensors import Payload

Emit = Callable[[Event], None]
Deliver = Callable[[NetworkDevice, Payload, bool], None]


class Timing(msgspec.Struct, kw_only=True):
    """How long things take, in seconds; short by default, for tests. `as_in_the_field` is ChirpStack's own.

    class_a_window_seconds: from an uplink to the downlink that answers it.
    class_c_delay_seconds: from the queue to the gateway.
    class_c_lock_seconds: between two downlinks to the same device.
    gateway_retry_seconds: until an item that no gateway could send is tried again.
    """

    class_a_window_seconds: float = 0.02
    class_c_delay_seconds: float = 0.01
    class_c_lock_seconds: float = 0.0
    gateway_retry_seconds: float = 0.5

    @classmethod
    def as_in_the_field(cls) -> Timing:
        """RX1 after 1 s; a scheduler that looks every second, and locks the device for 5 s."""
        return cls(
            class_a_window_seconds=1.0,
            class_c_delay_seconds=0.5,
            class_c_lock_seconds=5.0,
            gateway_retry_seconds=5.0,
        )


class Link(msgspec.Struct):
    """A device's session: its queue, its frame counter down, and who heard its last uplink, best first."""

    queue: DeviceQueue = msgspec.field(default_factory=DeviceQueue)
    f_cnt_down: int = 0
    gateways: tuple[str, ...] = ()


class Downlinks:
    """The sending side of ChirpStack."""

    def __init__(self, network: Network, timing: Timing, emit: Emit, deliver: Deliver) -> None:
        self.timing = timing
        self._network = network
        self._emit = emit
        self._deliver = deliver
        self._links: dict[str, Link] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def link(self, dev_eui: str) -> Link:
        """The session of a device, made when first asked for."""
        return self._links.setdefault(dev_eui, Link())

    def is_queued(self, item_id: str) -> bool:
        """Whether some queue holds an item of this id."""
        return any(item.id == item_id for link in self._links.values() for item in link.queue.items)

    def enqueue(self, device: NetworkDevice, item: QueueItem) -> None:
        """Queue an item, and send it as soon as the device listens."""
        self.link(device.dev_eui).queue.add(item)
        self._serve(device)

    def joined(self, device: NetworkDevice) -> None:
        """A new session: it can be reached only once it has spoken."""
        link = self.link(device.dev_eui)
        link.f_cnt_down, link.gateways = 0, ()
        if self._network.profile_of(device).flush_queue_on_activate:
            link.queue.flush()

    def heard(self, device: NetworkDevice, gateways: Sequence[str], *, frame: str, acknowledges: bool = False) -> None:
        """An uplink came in through these gateways, best first; `frame` is its deduplicationId."""
        link = self.link(device.dev_eui)
        link.gateways = tuple(one for one in gateways if one in self._network.gateways) or link.gateways
        self._network.hear(device, gateways, datetime.now(UTC))
        pending = link.queue.pending()
        if pending is not None and acknowledges:
            link.queue.remove(pending)
            self._emit(
                telling.acknowledged(self._network, device, pending, yes=True, at_ns=time.time_ns(), frame=frame)
            )
        if self._network.profile_of(device).device_class == "C":
            self._serve(device)
        else:
            self._answer(device, link, frame)

    def resume(self) -> None:
        """After a pause: go on with everything that is queued for class C."""
        for dev_eui in self._links:
            self._serve(self._network.devices[dev_eui])

    async def stop(self) -> None:
        """Send nothing any more; the queues stay as they are."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _answer(self, device: NetworkDevice, link: Link, frame: str) -> None:
        """Class A: what is to be sent is chosen now, and sent when the window opens."""
        if device.dev_eui in self._tasks:
            return  # the window of the uplink before is still to come
        item = self._next(device, link, MAX_PAYLOAD_BYTES[device.data_rate], frame)[0]
        if item is not None:
            self._start(device, self._in_window(device, link, item))

    async def _in_window(self, device: NetworkDevice, link: Link, item: QueueItem) -> None:
        await asyncio.sleep(self.timing.class_a_window_seconds)
        del self._tasks[device.dev_eui]  # what the device answers to this opens a window of its own
        self._transmit(device, link, item, immediately=False)

    def _serve(self, device: NetworkDevice) -> None:
        link = self.link(device.dev_eui)
        idle = device.dev_eui not in self._tasks
        if idle and link.queue.items and self._network.profile_of(device).device_class == "C":
            self._start(device, self._at_once(device, link))

    def _start(self, device: NetworkDevice, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[device.dev_eui] = task
        task.add_done_callback(lambda done: self._ended(device, done))

    def _ended(self, device: NetworkDevice, task: asyncio.Task[None]) -> None:
        if self._tasks.get(device.dev_eui) is task:
            del self._tasks[device.dev_eui]

    async def _at_once(self, device: NetworkDevice, link: Link) -> None:
        """Class C: one item after the other, until the queue is empty or the device has yet to speak."""
        while link.queue.items and link.gateways:
            await asyncio.sleep(self.timing.class_c_delay_seconds)
            item, wait_until = self._next(device, link, MAX_PAYLOAD_BYTES[self._network.rx2_data_rate])
            if wait_until is not None:
                await self._blocked(link, wait_until)
            elif item is not None:
                sent = self._transmit(device, link, item, immediately=True)
                await asyncio.sleep(self.timing.class_c_lock_seconds if sent else self.timing.gateway_retry_seconds)

    async def _blocked(self, link: Link, until: float) -> None:
        """Wait for the time-out of the pending item, but no longer than it is pending."""
        while link.queue.pending() is not None and time.time() < until:  # noqa: ASYNC110  an ACK sets no event
            await asyncio.sleep(min(0.02, max(0.0, until - time.time())))

    def _next(
        self, device: NetworkDevice, link: Link, max_bytes: int, frame: str = ""
    ) -> tuple[QueueItem | None, float | None]:
        """The item to send now, or until when the queue is blocked; what falls out is told."""
        found = link.queue.next(time.time(), max_bytes)
        for item, why in found.dropped:
            at_ns = time.time_ns()
            if why == "unacknowledged":
                event: Event = telling.acknowledged(self._network, device, item, yes=False, at_ns=at_ns, frame=frame)
            else:
                event = telling.dropped(self._network, device, item, why, max_bytes=max_bytes, at_ns=at_ns)
            self._emit(event)
        return found.item, found.wait_until

    def _transmit(self, device: NetworkDevice, link: Link, item: QueueItem, *, immediately: bool) -> bool:
        """Hand an item to the gateway; False when none could send it, and it stays queued."""
        gateway = self._gateway(link)
        if gateway is None:
            self._emit(telling.not_transmitted(self._network, device, at_ns=time.time_ns()))
            return False
        item.f_cnt_down = link.f_cnt_down
        link.f_cnt_down += 1
        gateway.sent[int(time.time()) // 60] += 1
        # An item that was flushed meanwhile goes on air all the same, but ChirpStack finds nothing to report on.
        if link.queue.has(item):
            if item.confirmed:
                item.is_pending = True
                if immediately:
                    item.timeout_after = time.time() + self._network.profile_of(device).class_c_timeout_seconds
            else:
                link.queue.remove(item)
            at_ns = time.time_ns()
            self._emit(telling.transmitted(self._network, device, item, gateway, at_ns=at_ns, immediately=immediately))
        self._deliver(device, Payload(item.f_port, item.data), item.confirmed)
        return True

    def _gateway(self, link: Link) -> Gateway | None:
        """The one that heard the last uplink best, if it is online: ChirpStack tries no other."""
        gateway = self._network.gateways.get(link.gateways[0]) if link.gateways else None
        return gateway if gateway is not None and gateway.online else None
