"""Displays and the commands on their way to them, as clients see them. Owned by downlink_dispatcher."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal
from uuid import UUID

import msgspec

from parking_contracts.space import SpaceState

# How a state is shown where its tenant has not said otherwise: RRGGBB, steady.
DEFAULT_COLOURS: Mapping[SpaceState, str] = MappingProxyType(
    {
        SpaceState.FREE: "00FF00",
        SpaceState.OCCUPIED: "FF0000",
        SpaceState.RESERVED: "FFFF00",
        SpaceState.MAINTENANCE: "FFA500",
        SpaceState.UNKNOWN: "0000FF",
    }
)
DEFAULT_ON_CENTISECONDS, DEFAULT_OFF_CENTISECONDS = 255, 0


class DownlinkStatus(StrEnum):
    """How far a command has come. `superseded`: another took its place before it went out on air."""

    QUEUED = "queued"
    SENT = "sent"
    TRANSMITTED = "transmitted"
    ACKNOWLEDGED = "acknowledged"
    FAILED = "failed"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


DownlinkKind = Literal["state", "counter", "custom"]
DisplayTruth = Literal["idle", "waiting", "sent", "confirmed", "wrong"]
"""What is known of a display: nothing to show, not sent yet, sent, reported right, reported something else."""


class DownlinkView(msgspec.Struct, frozen=True, kw_only=True):
    """A command and where it is. `payload` is hex; `cause` says what it is for (`space:<id>:<version>`, ...)."""

    tenant_id: UUID
    id: UUID
    dev_eui: str
    space_id: UUID | None
    kind: DownlinkKind
    f_port: int
    payload: str
    confirmed: bool
    command: dict[str, Any] | None
    cause: str
    requested_by: str | None
    status: DownlinkStatus
    attempts: int
    last_error: str
    queue_item_id: str | None
    gateway_id: str | None
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None = None
    transmitted_at: datetime | None = None
    acknowledged_at: datetime | None = None
    ended_at: datetime | None = None


class DisplayView(msgspec.Struct, frozen=True, kw_only=True):
    """A display: what it should show, and what is known of it. `desired` is a state, or a count."""

    tenant_id: UUID
    dev_eui: str
    codec: str
    space_id: UUID | None
    counter_site_id: UUID | None
    counter_zone: str | None
    desired: str | None
    desired_at: datetime | None
    truth: DisplayTruth
    sent_at: datetime | None
    reported: dict[str, Any] | None
    reported_at: datetime | None
    gateway_id: str | None


class PolicyEntry(msgspec.Struct, frozen=True, kw_only=True):
    """How a tenant's displays show a state: RRGGBB, times in 1/100 s, an off time of 0 is steady."""

    state: str
    colour: str
    on_centiseconds: int
    off_centiseconds: int
    is_default: bool


class PolicyPreview(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes that one family of displays would get for a state; `error` says why it gets none."""

    codec: str
    state: str
    f_port: int | None
    payload: str | None
    command: dict[str, Any] | None
    error: str = ""


class SyncView(msgspec.Struct, frozen=True, kw_only=True):
    """The latest round of asking the network server, and whether another one was asked for."""

    requested_at: datetime | None
    began_at: datetime | None
    ended_at: datetime | None
    error: str
    devices: int
    gateways: int
