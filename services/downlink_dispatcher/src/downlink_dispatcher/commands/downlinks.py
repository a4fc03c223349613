"""downlink.send, downlink.cancel, downlink.retry: what clients have sent to displays, beside what these show."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from downlink_dispatcher.commands import refusals
from downlink_dispatcher.commands.target import Target, Targets
from downlink_dispatcher.domain.requested import Objection, Request, read_request
from downlink_dispatcher.store import commands as store
from downlink_dispatcher.store.displays import lock_display, wake
from downlink_dispatcher.store.downlinks import add_step
from parking_chassis.postgres import Connection
from parking_chassis.refusals import invalid, not_found
from parking_contracts.command import Command
from parking_contracts.downlink import DownlinkStatus, DownlinkView
from parking_contracts.downlink_commands import CancelDownlink, RetryDownlink, SendDownlink
from parking_contracts.errors import Refusal

LONGEST_QUEUE = 100
_NEVER_ARRIVED = frozenset({DownlinkStatus.FAILED, DownlinkStatus.EXPIRED, DownlinkStatus.CANCELLED})


class DownlinkCommands:
    """What waits in a display's queue, in its order."""

    def __init__(self, targets: Targets, ttl: timedelta) -> None:
        self._targets = targets
        self._ttl = ttl

    async def send(self, connection: Connection, command: Command[SendDownlink]) -> DownlinkView | Refusal:
        """Queue something of a client's own behind what waits already."""
        body = command.body
        target = await self._targets.find(connection, command.tenant_id, body.dev_eui)
        if isinstance(target, Refusal):
            return target
        request = read_request(body, target.codec)
        if isinstance(request, Objection):
            return invalid(request.field, request.message)
        ttl = timedelta(seconds=body.ttl_seconds) if body.ttl_seconds else self._ttl
        return await self._queue(
            connection, command, target, request, confirmed=body.confirmed, ttl=ttl, cause=f"command:{command.caller}"
        )

    async def cancel(self, connection: Connection, command: Command[CancelDownlink]) -> DownlinkView | Refusal:
        """Take back what waits; said again, it changes nothing."""
        tenant_id, downlink_id = command.tenant_id, command.body.id
        view = await self._hold(connection, tenant_id, downlink_id)
        if isinstance(view, Refusal) or view.status is DownlinkStatus.CANCELLED:
            return view
        if view.kind != "custom":
            return refusals.of_the_display(view.kind)
        if view.status is not DownlinkStatus.QUEUED or await store.is_being_sent(connection, tenant_id, downlink_id):
            return refusals.not_queued(view.status)
        at = await store.cancel(connection, tenant_id, downlink_id)
        await add_step(connection, tenant_id, downlink_id, at, DownlinkStatus.CANCELLED, f"by {command.caller}")
        return await self._answer(connection, tenant_id, downlink_id)

    async def retry(self, connection: Connection, command: Command[RetryDownlink]) -> DownlinkView | Refusal:
        """Queue the same once more, as a command of its own."""
        tenant_id, earlier_id = command.tenant_id, command.body.id
        earlier = await self._hold(connection, tenant_id, earlier_id)
        if isinstance(earlier, Refusal):
            return earlier
        if earlier.kind != "custom":
            return refusals.of_the_display(earlier.kind)
        if earlier.ended_at is None:
            return refusals.not_ended(earlier.status)
        if earlier.status not in _NEVER_ARRIVED:
            return refusals.arrived(earlier.status)
        target = await self._targets.find(connection, tenant_id, earlier.dev_eui)
        if isinstance(target, Refusal):
            return target
        request = Request(earlier.f_port, bytes.fromhex(earlier.payload), earlier.command)
        ttl = earlier.expires_at - earlier.created_at
        return await self._queue(
            connection,
            command,
            target,
            request,
            confirmed=earlier.confirmed,
            ttl=ttl,
            cause=f"retry:{earlier_id}",
        )

    async def _queue(
        self,
        connection: Connection,
        command: Command[Any],
        target: Target,
        request: Request,
        *,
        confirmed: bool,
        ttl: timedelta,
        cause: str,
    ) -> DownlinkView | Refusal:
        tenant_id, device = command.tenant_id, target.device
        if trouble := await self._targets.trouble(connection, tenant_id, device.dev_eui):
            return trouble
        refused = await store.smallest_refused(connection, tenant_id, device.dev_eui)
        if refused is not None and len(request.payload) >= refused:
            return refusals.too_large(
                "payload" if request.command is None else "command", len(request.payload), refused
            )
        await store.hold_display(connection, tenant_id, device, target.codec.name)
        if await store.count_waiting(connection, tenant_id, device.dev_eui) >= LONGEST_QUEUE:
            return refusals.too_many_waiting(LONGEST_QUEUE)
        downlink_id, at = await store.queue(
            connection,
            tenant_id,
            device,
            request,
            confirmed=confirmed,
            ttl=ttl,
            cause=cause,
            requested_by=command.caller,
            request_id=command.request_id,
        )
        await add_step(connection, tenant_id, downlink_id, at, DownlinkStatus.QUEUED, f"by {command.caller}")
        await wake(connection)
        return await self._answer(connection, tenant_id, downlink_id)

    async def _hold(self, connection: Connection, tenant_id: UUID, downlink_id: UUID) -> DownlinkView | Refusal:
        """The command as it is while its display's row is locked."""
        dev_eui = await store.device_of_downlink(connection, tenant_id, downlink_id)
        if dev_eui is None:
            return not_found("downlink", downlink_id)
        await lock_display(connection, tenant_id, dev_eui)
        return await self._answer(connection, tenant_id, downlink_id)

    async def _answer(self, connection: Connection, tenant_id: UUID, downlink_id: UUID) -> DownlinkView | Refusal:
        view = await store.view_downlink(connection, tenant_id, downlink_id)
        return view or not_found("downlink", downlink_id)
