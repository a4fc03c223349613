"""The desk where commands arrive: NATS requests in, one transaction each, answers out.

The table is the whole list. An answer is committed with its effect, a refusal without any; a database that is away is
a refusal too, since the caller is waiting and can ask again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import msgspec
import structlog
from faststream.nats import NatsBroker, NatsMessage

from occupancy_engine import metrics
from occupancy_engine.commands import sites, spaces
from occupancy_engine.commands.devices import DeviceCommands
from occupancy_engine.decoders import Decoders
from parking_chassis.inbox import answer_once
from parking_chassis.postgres import DATABASE_AWAY, Connection, Pool
from parking_contracts import device_commands, space_commands, subjects
from parking_contracts.command import Command
from parking_contracts.errors import Accepted, ErrorCode, Refusal, Reply

log = structlog.get_logger()

SCHEMA = "occupancy"
QUEUE = "occupancy_engine"
Act = Callable[[Connection, Command[Any]], Awaitable[Any]]


def command_table(decoders: Decoders) -> dict[str, tuple[type, Act]]:
    """Every command: its name, what it carries, what does it."""
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
    """Subscribe every command; replicas share them as one queue."""
    for name, (body, act) in command_table(decoders).items():
        subject = subjects.command(space_commands.OWNER, name)
        broker.subscriber(subject, queue=QUEUE, decoder=raw_body)(_answerer(name, body, act, pool))


async def raw_body(message: NatsMessage) -> bytes:
    """The body as it is: our own decoders read it, with our own errors."""
    return message.body


def _answerer(name: str, body: type, act: Act, pool: Pool) -> Callable[[bytes], Awaitable[bytes]]:
    decoder: msgspec.json.Decoder[Command[Any]] = msgspec.json.Decoder(Command[body])  # type: ignore[valid-type]  # one decoder per command

    async def answer(request: bytes) -> bytes:
        reply = await _answer(request)
        outcome = reply.code if isinstance(reply, Refusal) else "accepted"
        metrics.COMMANDS.labels(name, outcome).inc()
        return msgspec.json.encode(reply)

    async def _answer(request: bytes) -> Reply:
        try:
            command = decoder.decode(request)
        except msgspec.MsgspecError as error:
            return Refusal(code=ErrorCode.VALIDATION_ERROR, message=str(error), details={"command": name})
        try:
            async with pool.acquire() as connection, connection.transaction():
                return await answer_once(connection, SCHEMA, command, lambda: _act(connection, command))
        except DATABASE_AWAY as error:
            log.warning("command_postponed", command=name, error=repr(error))
            return Refusal(code=ErrorCode.DEPENDENCY_UNAVAILABLE, message="the database is away; ask again soon")
        except asyncpg.DataError as error:
            return Refusal(code=ErrorCode.VALIDATION_ERROR, message=str(error), details={"command": name})
        except Exception:
            log.exception("command_failed", command=name, request_id=command.request_id)
            return Refusal(code=ErrorCode.INTERNAL_ERROR, message="the command failed; it is in the service's log")

    async def _act(connection: Connection, command: Command[Any]) -> Reply:
        savepoint = connection.transaction()
        await savepoint.start()
        result = await act(connection, command)
        if isinstance(result, Refusal):
            await savepoint.rollback()
            return result
        await savepoint.commit()
        log.debug("command_done", command=name, tenant=str(command.tenant_id), request_id=command.request_id)
        return Accepted(result=msgspec.Raw(msgspec.json.encode(result)))

    return answer
