"""Every command the engine answers, and what does it. The table is the whole list."""

from __future__ import annotations

from faststream.nats import NatsBroker

from occupancy_engine import SCHEMA, SERVICE, metrics
from occupancy_engine.commands import alerts, sites, spaces
from occupancy_engine.commands.devices import DeviceCommands
from occupancy_engine.commands.imports import ImportCommands
from occupancy_engine.decoders import Decoders
from parking_chassis.command_desk import Act, CommandDesk
from parking_chassis.postgres import Pool
from parking_contracts import alert_commands, device_commands, import_commands, space_commands
from parking_contracts.command import CommandBody


def command_table(decoders: Decoders) -> dict[type[CommandBody], Act]:
    """The list."""
    devices = DeviceCommands(decoders)
    return {
        space_commands.CreateSite: sites.create,
        space_commands.UpdateSite: sites.update,
        space_commands.DeleteSite: sites.delete,
        space_commands.CreateSpace: spaces.create,
        space_commands.UpdateSpace: spaces.update,
        space_commands.DeleteSpace: spaces.delete,
        space_commands.SetSpaceState: spaces.set_state,
        device_commands.BindApplication: devices.bind,
        device_commands.UnbindApplication: devices.unbind,
        device_commands.RegisterDevice: devices.register,
        device_commands.RemoveDevice: devices.remove,
        device_commands.AssignDevice: devices.assign,
        device_commands.Redecode: devices.redecode,
        import_commands.ApplyImport: ImportCommands(devices).apply,
        alert_commands.AcknowledgeAlert: alerts.acknowledge,
    }


def open_desk(broker: NatsBroker, pool: Pool, decoders: Decoders) -> None:
    """Subscribe them all."""
    desk = CommandDesk(pool, service=SERVICE, schema=SCHEMA, answered=metrics.COMMANDS)
    desk.open(broker, command_table(decoders))
