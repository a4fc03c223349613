"""Every command this service answers, and what does it. The table is the whole list."""

from __future__ import annotations

from datetime import timedelta

from faststream.nats import NatsBroker

from downlink_dispatcher import SCHEMA, SERVICE, metrics
from downlink_dispatcher.commands import network
from downlink_dispatcher.commands.displays import DisplayCommands
from downlink_dispatcher.commands.downlinks import DownlinkCommands
from downlink_dispatcher.commands.policies import PolicyCommands
from downlink_dispatcher.commands.target import Targets
from downlink_dispatcher.settings import Settings
from downlink_dispatcher.wishing import Wishing
from parking_chassis.command_desk import Act, CommandDesk, serve_commands
from parking_chassis.postgres import Pool
from parking_contracts import downlink_commands
from parking_contracts.command import CommandBody

# What the network server told of a gateway is believed for so many rounds of asking, and at least so long.
ROUNDS_BELIEVED, LEAST_BELIEVED = 3, timedelta(minutes=15)


def command_table(settings: Settings, wishing: Wishing) -> dict[type[CommandBody], Act]:
    """The list."""
    believed = max(ROUNDS_BELIEVED * timedelta(seconds=settings.chirpstack_sync_seconds), LEAST_BELIEVED)
    targets = Targets(wishing.registry, believed)
    downlinks = DownlinkCommands(targets, timedelta(seconds=settings.downlink_ttl_seconds))
    displays, policies = DisplayCommands(targets, wishing), PolicyCommands(wishing)
    return {
        downlink_commands.SendDownlink: downlinks.send,
        downlink_commands.CancelDownlink: downlinks.cancel,
        downlink_commands.RetryDownlink: downlinks.retry,
        downlink_commands.ResyncDisplay: displays.resync,
        downlink_commands.SetZoneCounter: displays.count,
        downlink_commands.RemoveZoneCounter: displays.stop_counting,
        downlink_commands.SetDisplayPolicy: policies.set,
        downlink_commands.ResetDisplayPolicy: policies.reset,
        downlink_commands.PreviewPolicy: policies.preview,
        downlink_commands.SyncNetwork: network.sync,
    }


async def open_desk(settings: Settings, pool: Pool, wishing: Wishing) -> NatsBroker:
    """Subscribe them all, on a connection of their own."""
    desk = CommandDesk(pool, service=SERVICE, schema=SCHEMA, answered=metrics.COMMANDS)
    return await serve_commands(settings, desk, command_table(settings, wishing))
