"""Downlinks through ChirpStack's gRPC API: `DeviceService.Enqueue`, after making sure whose device it is.

In: an `Item`. Out: the id of its queue item. Enqueue gives an item an id of its own and heeds none that is sent, so
that a second call queues a second item: whoever does not know what became of a first call asks `find` before.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from chirpstack_api import api  # type: ignore[import-untyped]  # generated code without stubs

from downlink_dispatcher.network.chirpstack import CallRefusedError, ChirpStack
from downlink_dispatcher.network.ownership import Directory, Ownership, refusal_of
from downlink_dispatcher.network.transport import EnqueueFailedError, Item


class GrpcTransport:
    """A `Transport` over one ChirpStack."""

    def __init__(self, chirpstack: ChirpStack, directory: Directory) -> None:
        self._chirpstack = chirpstack
        self._ownership = Ownership(chirpstack, directory)

    async def enqueue(self, item: Item) -> str:
        """Queue an item; see `Transport`."""
        await self._ownership.require(item.dev_eui, item.application_id)
        queue_item = api.DeviceQueueItem(
            dev_eui=item.dev_eui, confirmed=item.confirmed, f_port=item.f_port, data=item.payload
        )
        queue_item.expires_at.FromDatetime(item.expires_at)
        request = api.EnqueueDeviceQueueItemRequest(queue_item=queue_item, flush_queue=item.flush)
        answer = await self._ask("enqueue", self._chirpstack.devices.Enqueue, request, item.dev_eui)
        try:
            return str(UUID(answer.id))
        except ValueError:
            # Nobody knows whether it is queued: `find` tells before the next attempt.
            raise EnqueueFailedError(
                f"ChirpStack answered with no id of a queue item, but {answer.id[:50]!r}", is_at_server=True
            ) from None

    async def find(self, item: Item) -> str | None:
        """The newest equal item in the device's queue; see `Transport`."""
        await self._ownership.require(item.dev_eui, item.application_id)
        request = api.GetDeviceQueueItemsRequest(dev_eui=item.dev_eui)
        answer = await self._ask("get_queue", self._chirpstack.devices.GetQueue, request, item.dev_eui)
        now = datetime.now(UTC)
        equal = [str(one.id) for one in answer.result if one.id and is_equal(one, item, now)]
        return equal[-1] if equal else None

    async def check(self) -> str | None:
        """What is wrong with ChirpStack."""
        return self._chirpstack.availability.problem

    async def _ask(self, name: str, method: Any, request: Any, dev_eui: str) -> Any:
        try:
            return await self._chirpstack.call(name, method, request)
        except CallRefusedError as error:
            raise refusal_of(error, dev_eui) from None


def is_equal(queued: Any, item: Item, now: datetime) -> bool:
    """Whether an item of the queue says what ours says, and still will be sent."""
    if (queued.f_port, queued.data, queued.confirmed) != (item.f_port, item.payload, item.confirmed):
        return False
    return not queued.HasField("expires_at") or queued.expires_at.ToDatetime(UTC) > now
