"""The alert of a display that stays wrong: what it says, and when it begins and ends."""

from __future__ import annotations

from datetime import datetime

from downlink_dispatcher.domain.display import Display
from parking_contracts.device_alert import DeviceAlert

SOURCE = "downlink_dispatcher"
KIND = "display_stuck"


def news(before: Display, after: Display, now: datetime) -> DeviceAlert | None:
    """The alert that begins or ends between two states of a display's row, if one does."""
    if (before.alerted_at is None) == (after.alerted_at is None):
        return None
    is_open = after.alerted_at is not None
    return DeviceAlert(
        tenant_id=after.tenant_id,
        source=SOURCE,
        key=f"{after.dev_eui}:{KIND}",
        kind=KIND,
        is_open=is_open,
        at=now,
        dev_eui=after.dev_eui,
        space_id=after.space_id,
        summary=_summary(after) if is_open else "",
        details={"desired": after.desired, "reported": after.reported, "corrections": before.mended} if is_open else {},
    )


def _summary(display: Display) -> str:
    return f"does not show {display.desired}, although it was told {display.mended} times"
