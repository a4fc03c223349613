"""application.bind, application.unbind, device.register, device.remove, device.assign, device.redecode."""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import msgspec

from occupancy_engine.commands import spaces
from occupancy_engine.commands.refusals import read_eui
from occupancy_engine.decoders import Decoders
from occupancy_engine.orphans import take_in_orphans
from occupancy_engine.redecoding import redecode
from occupancy_engine.store import device_nouns
from occupancy_engine.store.devices import add_devices
from parking_chassis.postgres import Connection
from parking_chassis.refusals import invalid, not_found
from parking_codecs.object_mapping import ObjectMapping
from parking_contracts.command import Command
from parking_contracts.device_commands import (
    AssignDevice,
    BindApplication,
    Bound,
    DeviceView,
    Redecode,
    Redecoded,
    RegisterDevice,
    RemoveDevice,
    UnbindApplication,
)
from parking_contracts.errors import ErrorCode, Refusal
from parking_contracts.space_commands import UpdateSpace


class DeviceCommands:
    """The commands that need the installed codecs."""

    def __init__(self, decoders: Decoders) -> None:
        self._decoders = decoders

    async def bind(self, connection: Connection, command: Command[BindApplication]) -> Bound | Refusal:
        """Give an application to the tenant and take in the frames that waited for that."""
        body = command.body
        if body.object_mapping is not None:
            try:
                msgspec.convert(body.object_mapping, ObjectMapping)
            except msgspec.ValidationError as error:
                return invalid("object_mapping", str(error))
        try:
            bound = await device_nouns.bind(connection, command.tenant_id, body)
        except asyncpg.ForeignKeyViolationError:
            return not_found("tenant", command.tenant_id)
        if not bound:
            return Refusal(
                code=ErrorCode.RESOURCE_IN_USE,
                message=f"the application {body.application_id} is bound already; unbind it first",
                details={"source": body.source, "application_id": body.application_id},
            )
        return Bound(
            frames_taken_in=await take_in_orphans(connection, self._decoders, body.source, body.application_id)
        )

    async def unbind(self, connection: Connection, command: Command[UnbindApplication]) -> Bound | Refusal:
        """Let an application go; its later frames wait as orphans."""
        body = command.body
        if not await device_nouns.unbind(connection, command.tenant_id, body.source, body.application_id):
            return not_found("application", body.application_id)
        return Bound(frames_taken_in=0)

    async def register(self, connection: Connection, command: Command[RegisterDevice]) -> DeviceView | Refusal:
        """Make a device known or change its settings, and take in its frames if they can be read now."""
        body = command.body
        dev_eui = read_eui("dev_eui", body.dev_eui)
        if not isinstance(dev_eui, str):
            return dev_eui or invalid("dev_eui", "is missing")
        registry = self._decoders.registry
        installed = {*registry.sensors, *registry.displays}
        if isinstance(body.codec, str) and body.codec not in installed:
            return invalid("codec", f"{body.codec!r} is not installed; installed are: {', '.join(sorted(installed))}")
        await add_devices(connection, [(command.tenant_id, dev_eui)])
        await device_nouns.write_settings(connection, command.tenant_id, dev_eui, body)
        for source, application_id in await device_nouns.applications(connection, command.tenant_id):
            await take_in_orphans(connection, self._decoders, source, application_id, dev_eui)
        return await _view(connection, command, dev_eui)

    async def remove(self, connection: Connection, command: Command[RemoveDevice]) -> DeviceView | Refusal:
        """Forget a device that no space uses."""
        view = await _view(connection, command, command.body.dev_eui)
        if isinstance(view, Refusal):
            return view
        if view.space_id is not None:
            return Refusal(
                code=ErrorCode.RESOURCE_IN_USE,
                message=f"the device is the sensor of space {view.space_id}; take it off first",
                details={"space_id": str(view.space_id)},
            )
        await device_nouns.remove(connection, command.tenant_id, view.dev_eui)
        return view

    async def assign(self, connection: Connection, command: Command[AssignDevice]) -> DeviceView | Refusal:
        """Make a device the sensor of a space, or take it off the one it is on."""
        body = command.body
        dev_eui = read_eui("dev_eui", body.dev_eui)
        if not isinstance(dev_eui, str):
            return dev_eui or invalid("dev_eui", "is missing")
        target = body.space_id
        if target is None:
            view = await _view(connection, command, dev_eui)
            if isinstance(view, Refusal) or view.space_id is None:
                return view
            target = view.space_id
        change = UpdateSpace(id=target, sensor_eui=dev_eui if body.space_id else None)
        answer = await spaces.update(connection, _with_body(command, change))
        return answer if isinstance(answer, Refusal) else await _view(connection, command, dev_eui)

    async def redecode(self, connection: Connection, command: Command[Redecode]) -> Redecoded | Refusal:
        """Read a device's stored payloads with today's codec."""
        dev_eui = read_eui("dev_eui", command.body.dev_eui)
        if not isinstance(dev_eui, str):
            return dev_eui or invalid("dev_eui", "is missing")
        done = await redecode(connection, command.tenant_id, dev_eui, self._decoders, since=command.body.since)
        return done or not_found("device", dev_eui)


def _with_body(command: Command[AssignDevice], body: UpdateSpace) -> Command[UpdateSpace]:
    return Command(
        tenant_id=command.tenant_id, caller=command.caller, request_id=command.request_id or str(uuid4()), body=body
    )


async def _view(
    connection: Connection, command: Command[RegisterDevice] | Command[RemoveDevice] | Command[AssignDevice], text: str
) -> DeviceView | Refusal:
    dev_eui = read_eui("dev_eui", text)
    if not isinstance(dev_eui, str):
        return dev_eui or invalid("dev_eui", "is missing")
    view = await device_nouns.view(connection, command.tenant_id, dev_eui)
    return view or not_found("device", dev_eui)
