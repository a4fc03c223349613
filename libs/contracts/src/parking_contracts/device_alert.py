"""Something is wrong with a device, or no longer, as another service than the owner of alerts found it.

Produced by downlink_dispatcher through its outbox on the DEVICES stream; taken up by occupancy_engine, which owns
alerts and shows them to the tenant.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from parking_contracts.alert import AlertSeverity
from parking_contracts.moment import Moment


class DeviceAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert is open, or over. `source` and `key` name it: repeating one that is open, or over, changes nothing.

    Kinds: `display_stuck` (it shows something else than it was told, again and again), `downlink_failed` (a command was
    given up on).
    """

    tenant_id: UUID
    source: str
    key: str
    kind: str
    is_open: bool
    at: Moment
    severity: AlertSeverity = "warning"
    dev_eui: str
    space_id: UUID | None = None
    summary: str = ""
    details: dict[str, Any] = {}


EVENT_TYPES: dict[type, str] = {DeviceAlert: "parkstream.device.alert.v1"}
