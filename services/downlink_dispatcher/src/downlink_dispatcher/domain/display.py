"""A display as its row says; the migration that makes the table explains the columns."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

DisplayKey = tuple[UUID, str]
"""(tenant, DevEUI)."""


class Display(msgspec.Struct, frozen=True, kw_only=True):
    """What a display should show, what was sent to it, and what it reported."""

    tenant_id: UUID
    dev_eui: str
    codec: str
    space_id: UUID | None = None
    created_at: datetime
    desired_version: int = 0
    desired: str | None = None
    desired_command: dict[str, Any] | None = None
    desired_f_port: int | None = None
    desired_payload: bytes | None = None
    desired_cause: str = ""
    desired_at: datetime | None = None
    space_version: int = 0
    sent_version: int = 0
    shown_payload: bytes | None = None
    sent_at: datetime | None = None
    due_at: datetime | None = None
    claim: UUID | None = None
    claimed_until: datetime | None = None
    failed_at: datetime | None = None
    heard_at: datetime | None = None
    gateway_id: str | None = None
    session_at: datetime | None = None
    f_cnt: int | None = None
    reported: dict[str, Any] | None = None
    reported_at: datetime | None = None
    is_right: bool | None = None
    joined_at: datetime | None = None
    mended: int = 0
    mended_at: datetime | None = None
    alerted_at: datetime | None = None

    @property
    def key(self) -> DisplayKey:
        """What the row is found by."""
        return (self.tenant_id, self.dev_eui)
