"""Alerts: what is wrong with the device of a space, from when to when, and who has taken note.

Owned by occupancy_engine. That an alert was opened or closed is told on the SPACES stream as an event of its space,
which carries no version: it changes nothing that is shown. `source` found it and `key` names it there: a source has one
open alert per key.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

AlertSeverity = Literal["info", "warning", "critical"]
AlertKind = Literal[
    "silent",
    "stuck",
    "flapping",
    "battery_low",
    "battery_falling",
    "weak_radio",
    "decoder_errors",
    "network_errors",
    "profile_warning",
]
"""What the engine finds about a sensor. Other sources name kinds of their own."""


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as its tenant sees it. `acknowledged_by` is a caller, `details` the figures it was opened by."""

    tenant_id: UUID
    id: UUID
    source: str
    key: str
    kind: str
    severity: AlertSeverity
    dev_eui: str | None
    space_id: UUID | None
    summary: str
    details: dict[str, Any] = {}
    opened_at: datetime
    closed_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    note: str = ""


class SpaceAlert(msgspec.Struct, frozen=True, kw_only=True):
    """Which alert, and of which space."""

    tenant_id: UUID
    site_id: UUID
    space_id: UUID
    code: str
    zone: str | None
    alert_id: UUID
    source: str
    kind: str
    severity: AlertSeverity
    dev_eui: str | None
    summary: str
    opened_at: datetime


class SpaceAlertOpened(SpaceAlert, frozen=True, kw_only=True):
    """Something began to be wrong with a device of the space."""


class SpaceAlertClosed(SpaceAlert, frozen=True, kw_only=True):
    """It is no longer wrong, or the device is no longer on the space."""

    closed_at: datetime


EVENT_TYPES: dict[type, str] = {
    SpaceAlertOpened: "parkstream.space.alert_opened.v1",
    SpaceAlertClosed: "parkstream.space.alert_closed.v1",
}
