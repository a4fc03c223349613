"""display.resync, display.count, display.stop_counting: what a display is to show, beside the state of its space."""

from __future__ import annotations

from typing import Any

from downlink_dispatcher.commands.target import Targets, read_eui
from downlink_dispatcher.domain.policy import orders_for_count
from downlink_dispatcher.store import commands as store
from downlink_dispatcher.store import counters
from downlink_dispatcher.store.displays import lock_display, wake
from downlink_dispatcher.wishing import Wishing
from parking_chassis.postgres import Connection
from parking_chassis.refusals import invalid, not_found
from parking_codecs.codec import CodecError
from parking_contracts.command import Command
from parking_contracts.downlink import DisplayView
from parking_contracts.downlink_commands import RemoveZoneCounter, ResyncDisplay, SetZoneCounter
from parking_contracts.errors import Refusal


class DisplayCommands:
    """What clients want of displays as such."""

    def __init__(self, targets: Targets, wishing: Wishing) -> None:
        self._targets = targets
        self._wishing = wishing

    async def resync(self, connection: Connection, command: Command[ResyncDisplay]) -> DisplayView | Refusal:
        """Send once more what it should show; one that should show nothing stays as it is."""
        dev_eui = read_eui(command.body.dev_eui)
        if isinstance(dev_eui, Refusal):
            return dev_eui
        if await lock_display(connection, command.tenant_id, dev_eui) is None:
            return not_found("display", dev_eui)
        await store.forget_shown(connection, command.tenant_id, dev_eui)
        await wake(connection)
        return await _answer(connection, command, dev_eui)

    async def count(self, connection: Connection, command: Command[SetZoneCounter]) -> DisplayView | Refusal:
        """Let a sign show how many spaces are free."""
        tenant_id, body = command.tenant_id, command.body
        target = await self._targets.find(connection, tenant_id, body.dev_eui)
        if isinstance(target, Refusal):
            return target
        dev_eui = target.device.dev_eui
        if not await counters.has_site(connection, tenant_id, body.site_id):
            return not_found("site", body.site_id)
        try:
            orders_for_count(target.codec, 0)
        except CodecError as error:
            return invalid("dev_eui", str(error))
        await counters.set_counter(connection, tenant_id, dev_eui, body.site_id, body.zone)
        await self._wishing.wish_for_counters(connection, [(tenant_id, body.site_id)])
        return await _answer(connection, command, dev_eui)

    async def stop_counting(self, connection: Connection, command: Command[RemoveZoneCounter]) -> DisplayView | Refusal:
        """Let it show its space, or what it shows."""
        dev_eui = read_eui(command.body.dev_eui)
        if isinstance(dev_eui, Refusal):
            return dev_eui
        await lock_display(connection, command.tenant_id, dev_eui)
        if not await counters.remove_counter(connection, command.tenant_id, dev_eui):
            return not_found("counter on the display", dev_eui)
        await self._wishing.wish_for_displays(connection, [(command.tenant_id, dev_eui)])
        return await _answer(connection, command, dev_eui)


async def _answer(connection: Connection, command: Command[Any], dev_eui: str) -> DisplayView | Refusal:
    view = await store.view_display(connection, command.tenant_id, dev_eui)
    return view or not_found("display", dev_eui)
