"""`api.DeviceService`: the downlink queue, and the devices of an application.

In: calls of the stubs. Out: answers as ChirpStack gives them. Its `Enqueue` pays no heed to the id it is sent, empties
the queue first when told to, and casts the port to eight bits.
"""

from __future__ import annotations

import time
import uuid
from typing import Any, Protocol

import grpc
from chirpstack_api import api  # type: ignore[import-untyped]  # generated code without stubs
from google.protobuf.empty_pb2 import Empty

from parking_simulator.chirpstack.access import Access, not_found, read_eui, read_uuid
from parking_simulator.chirpstack.directory_services import page, stamp
from parking_simulator.chirpstack.downlinks import Downlinks
from parking_simulator.chirpstack.network import CREATED_AT, Network, NetworkDevice
from parking_simulator.chirpstack.queue import Enqueued, QueueItem


class Desk(Protocol):
    """Where what is to be queued is handed in; the hooks of a test run there."""

    async def take(self, device: NetworkDevice, item: QueueItem, note: Enqueued) -> None:
        """Queue it."""


class DeviceService(api.DeviceServiceServicer):  # type: ignore[misc]  # generated code without stubs
    """The methods that a parking system needs; the others answer UNIMPLEMENTED."""

    def __init__(self, network: Network, downlinks: Downlinks, access: Access, desk: Desk) -> None:
        self._network = network
        self._downlinks = downlinks
        self._access = access
        self._desk = desk

    async def Enqueue(self, request: Any, context: Any) -> Any:  # noqa: N802  the service's name
        """Queue a downlink; the answer carries a new id, whatever id was sent."""
        if not request.HasField("queue_item"):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "queue_item is missing")
        asked = request.queue_item
        dev_eui = await read_eui(context, asked.dev_eui)
        device = await self._access.device(context, dev_eui)
        if device is None:
            await not_found(context, dev_eui)
        if asked.HasField("object"):
            await context.abort(grpc.StatusCode.INTERNAL, "the device-profile has no codec")
        if asked.f_port & 0xFF == 0:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Validation error: FPort must be between 1 - 255")
        item = QueueItem(
            id=str(uuid.uuid4()),
            f_port=asked.f_port & 0xFF,
            data=asked.data,
            confirmed=asked.confirmed,
            expires_at=asked.expires_at.ToNanoseconds() / 1e9 if asked.HasField("expires_at") else None,
        )
        note = Enqueued(
            id=item.id,
            dev_eui=dev_eui,
            f_port=item.f_port,
            data=item.data,
            confirmed=item.confirmed,
            flush=request.flush_queue,
            at=time.monotonic(),
            wall=time.time(),
        )
        await self._desk.take(device, item, note)
        return api.EnqueueDeviceQueueItemResponse(id=item.id)

    async def GetQueue(self, request: Any, context: Any) -> Any:  # noqa: N802  the service's name
        """Everything queued, the pending item included; an unknown device has an empty queue."""
        dev_eui = await read_eui(context, request.dev_eui)
        await self._access.device(context, dev_eui)
        items = self._downlinks.link(dev_eui).queue.items if dev_eui in self._network.devices else []
        listed = [] if request.count_only else [_queue_item(dev_eui, one) for one in items]
        return api.GetDeviceQueueItemsResponse(total_count=len(items), result=listed)

    async def FlushQueue(self, request: Any, context: Any) -> Any:  # noqa: N802  the service's name
        """Empty the queue."""
        dev_eui = await read_eui(context, request.dev_eui)
        if await self._access.device(context, dev_eui) is not None:
            self._downlinks.link(dev_eui).queue.flush()
        return Empty()

    async def List(self, request: Any, context: Any) -> Any:  # noqa: N802  the service's name
        """The devices of one application, by name."""
        application_id = await read_uuid(context, request.application_id)
        application = self._network.applications.get(application_id)
        await self._access.of_tenant(context, application.tenant_id if application else None)
        devices = [
            one
            for one in sorted(self._network.devices.values(), key=lambda one: (one.name, one.dev_eui))
            if one.application_id == application_id and request.search.lower() in one.name.lower()
        ]
        listed = [self._listed(one) for one in page(devices, request)]
        return api.ListDevicesResponse(total_count=len(devices), result=listed)

    async def Get(self, request: Any, context: Any) -> Any:  # noqa: N802  the service's name
        """One device."""
        dev_eui = await read_eui(context, request.dev_eui)
        device = await self._access.device(context, dev_eui)
        if device is None:
            await not_found(context, dev_eui)
        return api.GetDeviceResponse(
            device=api.Device(
                dev_eui=device.dev_eui,
                name=device.name,
                description=device.description,
                application_id=device.application_id,
                device_profile_id=device.device_profile_id,
                tags=device.tags,
                join_eui="0000000000000000",
            ),
            created_at=stamp(CREATED_AT),
            updated_at=stamp(CREATED_AT),
            last_seen_at=stamp(device.last_seen_at),
            class_enabled=f"CLASS_{self._network.profile_of(device).device_class}",
        )

    def _listed(self, device: NetworkDevice) -> Any:
        return api.DeviceListItem(
            dev_eui=device.dev_eui,
            created_at=stamp(CREATED_AT),
            updated_at=stamp(CREATED_AT),
            last_seen_at=stamp(device.last_seen_at),
            name=device.name,
            description=device.description,
            device_profile_id=device.device_profile_id,
            device_profile_name=self._network.profile_of(device).name,
            tags=device.tags,
        )


def _queue_item(dev_eui: str, item: QueueItem) -> Any:
    listed = api.DeviceQueueItem(
        id=item.id,
        dev_eui=dev_eui,
        confirmed=item.confirmed,
        f_port=item.f_port,
        data=item.data,
        is_pending=item.is_pending,
        f_cnt_down=item.f_cnt_down or 0,
    )
    if item.expires_at is not None:
        listed.expires_at.FromNanoseconds(int(item.expires_at * 1e9))
    return listed
