"""Alerts for the engine, which owns them, on their way through the outbox."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from downlink_dispatcher import SCHEMA
from parking_chassis.outbox import Event, write_events
from parking_chassis.postgres import Connection
from parking_contracts import subjects
from parking_contracts.device_alert import EVENT_TYPES, DeviceAlert


async def tell_alerts(connection: Connection, alerts: Sequence[DeviceAlert]) -> None:
    """Tell that alerts are open, or over, when the transaction commits."""
    await write_events(
        connection,
        SCHEMA,
        [
            Event(
                subject=subjects.device("alert", alert.dev_eui),
                type=EVENT_TYPES[DeviceAlert],
                payload=msgspec.json.encode(alert),
            )
            for alert in alerts
        ],
    )
