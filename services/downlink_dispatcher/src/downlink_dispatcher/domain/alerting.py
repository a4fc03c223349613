"""The alerts of displays: one that stays wrong, and one to which a command was given up on; when they begin and end.

Who opens an alert and who closes it are often not the same: what names one, its key, is made here alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from downlink_dispatcher import SERVICE
from downlink_dispatcher.domain.display import Display
from parking_contracts.device_alert import DeviceAlert
from parking_contracts.downlink import DownlinkKind

STUCK, FAILED = "display_stuck", "downlink_failed"


def news(before: Display, after: Display, now: datetime) -> DeviceAlert | None:
    """The alert of a stuck display that begins or ends between two states of its row, if one does."""
    if (before.alerted_at is None) == (after.alerted_at is None):
        return None
    if after.alerted_at is None:
        return _alert(after, STUCK, now, is_open=False)
    summary = f"does not show {after.desired}, although it was told {after.mended} times"
    details = {"desired": after.desired, "reported": after.reported, "corrections": before.mended}
    return _alert(after, STUCK, now, is_open=True, summary=summary, details=details)


def given_up(display: Display, downlink_id: UUID, kind: DownlinkKind, reason: str, now: datetime) -> DeviceAlert:
    """A command did not reach the display, and repeating it has not helped, or cannot."""
    details = {"downlink_id": str(downlink_id), "kind": kind, "reason": reason}
    return _alert(display, FAILED, now, is_open=True, summary=f"a downlink was given up on: {reason}", details=details)


def recovered(display: Display, now: datetime) -> DeviceAlert:
    """What was given up on does not matter any more."""
    return _alert(display, FAILED, now, is_open=False)


def _alert(
    display: Display,
    kind: str,
    now: datetime,
    *,
    is_open: bool,
    summary: str = "",
    details: Mapping[str, object] | None = None,
) -> DeviceAlert:
    return DeviceAlert(
        tenant_id=display.tenant_id,
        source=SERVICE,
        key=f"{display.dev_eui}:{kind}",
        kind=kind,
        is_open=is_open,
        at=now,
        dev_eui=display.dev_eui,
        space_id=display.space_id,
        summary=summary,
        details=dict(details or {}),
    )
