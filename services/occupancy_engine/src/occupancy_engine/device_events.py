"""What DEVICES tells besides uplinks: battery and margin, network errors, positions. Joins need nothing here.

A join accept is only a promise; the session moves when the device speaks under its new devAddr.
"""

from __future__ import annotations

from occupancy_engine.store import device_facts
from occupancy_engine.store.bindings import bindings_of
from parking_chassis.dead_letters import decode_event
from parking_chassis.postgres import Pool
from parking_contracts.device import DeviceFact, DeviceLocated, DeviceLogged, DeviceStatus

READ_HERE: dict[str, type[DeviceFact]] = {"status": DeviceStatus, "log": DeviceLogged, "location": DeviceLocated}


def read_device_event(subject: str, body: bytes) -> DeviceFact | None:
    """The event of a message, told by its subject; None for kinds that change nothing here. Raises PoisonError."""
    kind = READ_HERE.get(subject.split(".")[-2])
    return decode_event(body, kind) if kind is not None else None


async def take_device_event(pool: Pool, fact: DeviceFact) -> None:
    """Note a fact on its device; one of an unbound application or an unknown device is let go."""
    async with pool.acquire() as connection, connection.transaction():
        bound = await bindings_of(connection, {(fact.source, fact.application_id)})
        for binding in bound.values():
            if isinstance(fact, DeviceStatus):
                await device_facts.note_status(connection, binding.tenant_id, fact)
            elif isinstance(fact, DeviceLogged) and fact.level != "INFO":
                await device_facts.note_network_error(connection, binding.tenant_id, fact)
            elif isinstance(fact, DeviceLocated):
                await device_facts.note_position(connection, binding.tenant_id, fact)
