"""What DEVICES tells of displays and of what was sent to them: txack, ack, log, join, and what a display reports.

A batch is one transaction: the displays concerned are held, what is told is applied to them and to their commands one
event after the other, and everything is written at once. Told again, or in another order, it comes to the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from downlink_dispatcher.domain.told import Told, is_of_a_downlink, item_of, key_of
from downlink_dispatcher.domain.truth import Rules
from downlink_dispatcher.feedback import Feedback
from downlink_dispatcher.store import feedback as store
from downlink_dispatcher.store.clock import clock
from downlink_dispatcher.store.displays import lock_displays
from parking_chassis.dead_letters import decode_event
from parking_chassis.postgres import Connection, Pool
from parking_chassis.pull_consumer import Delivery
from parking_codecs.registry import Registry
from parking_contracts import subjects
from parking_contracts.device import DeviceJoined, DeviceLogged, DownlinkAcknowledged, DownlinkTransmitted
from parking_contracts.display import DisplayReported

READ_HERE: dict[str, type[Told]] = {
    "txack": DownlinkTransmitted,
    "ack": DownlinkAcknowledged,
    "log": DeviceLogged,
    "join": DeviceJoined,
    "reported": DisplayReported,
}


def read_device_event(subject: str, body: bytes) -> Told | None:
    """The event of a message, told by its subject; None for what concerns no downlink. Raises PoisonError."""
    kind = READ_HERE.get(subjects.device_event(subject) or "")
    event = decode_event(body, kind) if kind is not None else None
    return None if isinstance(event, DeviceLogged) and not is_of_a_downlink(event) else event


class DeviceEvents:
    """Takes batches of DEVICES."""

    def __init__(self, pool: Pool, registry: Registry, rules: Rules) -> None:
        self._pool = pool
        self._registry = registry
        self._rules = rules

    async def take(self, deliveries: Sequence[Delivery]) -> None:
        """Apply everything that a batch tells. Raises PoisonError."""
        read = (read_device_event(one.subject.decode(), one.payload) for one in deliveries)
        events = [event for event in read if event is not None]
        if not events:
            return
        async with self._pool.acquire() as connection, connection.transaction():
            feedback = await self._look_up(connection, events)
            for event in events:
                feedback.take(event)
            await feedback.write(connection)
        feedback.count()

    async def _look_up(self, connection: Connection, events: Sequence[Told]) -> Feedback:
        """Hold the displays concerned, and read the commands that may be meant."""
        applications = {(one.source, one.application_id) for one in events if not isinstance(one, DisplayReported)}
        tenants = await store.tenants_of(connection, applications) if applications else {}
        concerned = {key for one in events if (key := key_of(one, tenants)) is not None}
        displays = await lock_displays(connection, concerned)
        keys = [display.key for display in displays]
        items = {item for one in events if (item := item_of(one)) is not None}
        return Feedback(
            displays,
            tenants,
            by_item=await store.commands_of_items(connection, keys, items) if items else [],
            unrecorded=await store.commands_unrecorded(connection, keys) if items else [],
            states=await store.states_sent(connection, keys),
            codecs=self._registry.displays,
            rules=self._rules,
            now=await clock(connection),
        )
