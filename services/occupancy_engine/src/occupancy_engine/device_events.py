"""What DEVICES tells besides uplinks, taken in batches: what devices say of themselves, what the network server lists,
and what another service finds wrong with them. Joins need nothing here.

A join accept is only a promise; the session moves when the device speaks under its new devAddr.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from occupancy_engine import SERVICE, metrics
from occupancy_engine.domain.device_facts import Said, sum_up
from occupancy_engine.store import device_alerts, device_facts, synced_devices
from occupancy_engine.store.bindings import bindings_of
from parking_chassis.batch_subscriber import BatchSubscriber
from parking_chassis.dead_letters import decode_event
from parking_chassis.postgres import Connection, Pool
from parking_chassis.pull_consumer import Delivery
from parking_contracts import subjects
from parking_contracts.device import DeviceLocated, DeviceLogged, DeviceStatus
from parking_contracts.device_alert import DeviceAlert
from parking_contracts.network import DeviceSynced
from parking_contracts.streams import DEVICES

if TYPE_CHECKING:
    from nats.aio.client import Client

# Nobody waits for these: batches of many cost little more than of one.
LINGER_SECONDS = 0.25
Event = Said | DeviceSynced | DeviceAlert
READ_HERE: dict[str, type[Event]] = {
    "status": DeviceStatus,
    "log": DeviceLogged,
    "location": DeviceLocated,
    "synced": DeviceSynced,
    "alert": DeviceAlert,
}


def read_device_event(subject: str, body: bytes) -> Event | None:
    """The event of a message, told by its subject; None for kinds that change nothing here. Raises PoisonError."""
    kind = READ_HERE.get(subjects.device_event(subject) or "")
    return decode_event(body, kind) if kind is not None else None


def follow_devices(pool: Pool, client: Client) -> BatchSubscriber:
    """The engine's share of DEVICES, to be run until the service stops."""
    return BatchSubscriber(SERVICE, client, DEVICES, DeviceEvents(pool).take, linger_seconds=LINGER_SECONDS)


class DeviceEvents:
    """Takes batches of DEVICES. What one device says keeps its order."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def take(self, deliveries: Sequence[Delivery]) -> None:
        """Note everything on its device. Raises PoisonError.

        A transaction for each kind, so that each locks its devices in the order in which everybody does. What adds up
        comes last: a batch that fails is taken again from its beginning.
        """
        read = (read_device_event(one.subject.decode(), one.payload) for one in deliveries)
        events = [event for event in read if event is not None]
        if synced := [one for one in events if isinstance(one, DeviceSynced)]:
            async with self._pool.acquire() as connection, connection.transaction():
                await _follow(connection, synced)
        if alerts := [one for one in events if isinstance(one, DeviceAlert)]:
            async with self._pool.acquire() as connection, connection.transaction():
                await _alert(connection, alerts)
        if said := [one for one in events if isinstance(one, Said)]:
            async with self._pool.acquire() as connection, connection.transaction():
                await _note(connection, said)
        for event in events:
            metrics.DEVICE_EVENTS.labels(type(event).__name__).inc()


async def _note(connection: Connection, facts: Sequence[Said]) -> None:
    """One of an unbound application or an unknown device is let go."""
    bound = await bindings_of(connection, {(one.source, one.application_id) for one in facts})
    tenants = {application: binding.tenant_id for application, binding in bound.items()}
    await device_facts.write_said(connection, sum_up(facts, tenants))


async def _follow(connection: Connection, synced: Sequence[DeviceSynced]) -> None:
    """Only the latest word on a device counts: what it tells, it tells whole."""
    latest: dict[tuple[str, str], DeviceSynced] = {}
    for one in sorted(synced, key=lambda one: one.received_at):
        latest[one.source, one.dev_eui] = one
    bound = await bindings_of(connection, {(one.source, one.application_id) for one in latest.values()})
    tenants = {application: binding.tenant_id for application, binding in bound.items()}
    await synced_devices.take_up(connection, list(latest.values()), tenants)


async def _alert(connection: Connection, alerts: Sequence[DeviceAlert]) -> None:
    for one in alerts:
        change = await (device_alerts.open_one if one.is_open else device_alerts.close_one)(connection, one)
        if change:
            metrics.ALERTS.labels("opened" if one.is_open else "closed").inc()
