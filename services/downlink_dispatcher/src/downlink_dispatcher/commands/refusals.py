"""Every way in which a command on a display or a downlink is refused. None tells of another tenant's device."""

from __future__ import annotations

from datetime import datetime

from parking_chassis.refusals import invalid
from parking_contracts.downlink import DownlinkStatus
from parking_contracts.errors import ErrorCode, Refusal


def no_display(dev_eui: str, displays: list[str]) -> Refusal:
    """A device that nobody can tell what to show."""
    return invalid(
        "dev_eui",
        f"{dev_eui} is no display: neither its codec, its device profile nor its DevEUI is one of "
        f"{', '.join(displays)}; set its codec if it is one",
    )


def not_bound(dev_eui: str) -> Refusal:
    """A DevEUI that somebody has written down: it is nobody's until its application is."""
    return invalid(
        "dev_eui",
        f"{dev_eui} is in no application of this tenant, or no longer: bind its ChirpStack application, or wait until "
        "it was heard from there",
    )


def gateway_offline(gateway_id: str, last_seen_at: datetime | None) -> Refusal:
    """The only way to the display that is known does not work."""
    since = f" since {last_seen_at.isoformat(timespec='seconds')}" if last_seen_at else ""
    return Refusal(
        code=ErrorCode.NO_GATEWAY_ONLINE,
        message=f"the gateway {gateway_id}, over which this display was last heard, is offline{since}: nothing would "
        "reach the display",
        details={"gateway_id": gateway_id},
    )


def no_gateway_online(count: int) -> Refusal:
    """Nothing can go out at all."""
    return Refusal(
        code=ErrorCode.NO_GATEWAY_ONLINE,
        message=f"none of the tenant's {count} LoRaWAN gateways is online: nothing would reach the display",
        details={"gateways": count},
    )


def too_large(field: str, size: int, refused: int) -> Refusal:
    """The display's data rate carries less."""
    return invalid(
        field,
        f"{size} bytes are too many: the network server has just found {refused} too many for this display's data rate",
    )


def too_many_waiting(limit: int) -> Refusal:
    """Nobody waits for the end of such a queue."""
    return Refusal(
        code=ErrorCode.RATE_LIMITED,
        message=f"{limit} commands wait for this display already; cancel some, or wait until they are sent",
        details={"limit": limit},
    )


def not_queued(status: DownlinkStatus) -> Refusal:
    """Too late to take it back."""
    return Refusal(
        code=ErrorCode.DOWNLINK_NOT_QUEUED,
        message=f"the command is {status}, or about to be sent: only one that waits can be taken back",
        details={"status": status},
    )


def not_ended(status: DownlinkStatus) -> Refusal:
    """It may arrive yet; twice the same would be one too many."""
    return Refusal(
        code=ErrorCode.DOWNLINK_NOT_ENDED,
        message=f"the command is {status} and may still arrive: it cannot be repeated yet",
        details={"status": status},
    )


def arrived(status: DownlinkStatus) -> Refusal:
    """There is nothing to repeat."""
    return Refusal(
        code=ErrorCode.DOWNLINK_NOT_ENDED,
        message=f"the command was {status}: only one that failed, expired or was cancelled can be repeated",
        details={"status": status},
    )


def of_the_display(kind: str) -> Refusal:
    """Not a command of somebody's: what the display shows is sent until it is shown."""
    return invalid(
        "id", f"this is a display's own {kind}, sent again by itself until it is shown; resync the display to hurry it"
    )
