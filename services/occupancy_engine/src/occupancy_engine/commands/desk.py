"""Every command the engine answers: its name, what it carries, what does it. The table is the whole list."""

from __future__ import annotations

from faststream.nats import NatsBroker

from occupancy_engine import SCHEMA, metrics
from occupancy_engine.commands import sites, spaces
from occupancy_engine.commands.devices import DeviceCommands
from occupancy_engine.decoders import Decoders
from parking_chassis.command_desk import Act, CommandDesk
from parking_chassis.postgres import Pool
from parking_contracts import device_commands, space_commands


def command_table(decoders: Decoders) -> dict[str, tuple[type, Act]]:
    """The list."""
    devices = DeviceCommands(decoders)
    return {
        "site.create": (space_commands.CreateSite, sites.create),
        "site.update": (space_commands.UpdateSite, sites.update),
        "site.delete": (space_commands.DeleteSite, sites.delete),
        "space.create": (space_commands.CreateSpace, spaces.create),
        "space.update": (space_commands.UpdateSpace, spaces.update),
        "space.delete": (space_commands.DeleteSpace, spaces.delete),
        "space.set_state": (space_commands.SetSpaceState, spaces.set_state),
        "application.bind": (device_commands.BindApplication, devices.bind),
        "application.unbind": (device_commands.UnbindApplication, devices.unbind),
        "device.register": (device_commands.RegisterDevice, devices.register),
        "device.remove": (device_commands.RemoveDevice, devices.remove),
        "device.assign": (device_commands.AssignDevice, devices.assign),
        "device.redecode": (device_commands.Redecode, devices.redecode),
    }


def open_desk(broker: NatsBroker, pool: Pool, decoders: Decoders) -> None:
    """Subscribe them all."""
    desk = CommandDesk(
        pool,
        owner=space_commands.OWNER,
        schema=SCHEMA,
        on_answer=lambda name, outcome: metrics.COMMANDS.labels(name, outcome).inc(),
    )
    desk.open(broker, command_table(decoders))
