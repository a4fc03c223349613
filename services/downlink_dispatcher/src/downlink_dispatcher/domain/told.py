"""What DEVICES tells of displays, and of what was sent to them: which events, of whose display, about which item."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from downlink_dispatcher.domain.display import DisplayKey
from parking_contracts.device import DeviceJoined, DeviceLogged, DownlinkAcknowledged, DownlinkTransmitted
from parking_contracts.display import DisplayReported

ToldOfItem = DownlinkTransmitted | DownlinkAcknowledged | DeviceLogged
"""Of an item of the network server's queue."""
Told = ToldOfItem | DeviceJoined | DisplayReported
Application = tuple[str, str]
"""(source, application id)."""
Tenants = Mapping[Application, UUID]
QUEUE_ITEM = "queue_item_id"
# A LoRaWAN gateway could not send; the network server does not say what.
NOT_TRANSMITTED = "DOWNLINK_GATEWAY"


def key_of(event: Told, tenants: Tenants) -> DisplayKey | None:
    """The display of an event; None when nobody has its application."""
    if isinstance(event, DisplayReported):
        return (event.tenant_id, event.dev_eui)
    tenant_id = tenants.get((event.source, event.application_id))
    return (tenant_id, event.dev_eui) if tenant_id is not None else None


def item_of(event: Told) -> str | None:
    """The item of the network server's queue that an event is about."""
    match event:
        case DownlinkTransmitted() | DownlinkAcknowledged():
            return event.queue_item_id
        case DeviceLogged():
            return event.context.get(QUEUE_ITEM)
    return None


def is_of_a_downlink(logged: DeviceLogged) -> bool:
    """Whether a line of the network server's log is a complaint about something that was sent."""
    return logged.level != "INFO" and (QUEUE_ITEM in logged.context or logged.code == NOT_TRANSMITTED)
