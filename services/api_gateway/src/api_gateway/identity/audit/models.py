"""The audit log as HTTP shows it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from api_gateway.http.cursors import NextCursor


class AuditEntry(BaseModel):
    """Somebody was about to change something, or to log in."""

    id: UUID
    at: datetime = Field(description="before it took effect")
    actor: str = Field(
        description="`user:<id>`, `key:<id>`, or `email:<sha256>` of who failed to log in",
        examples=["user:0198c5a0-7d54-7d1c-9c0e-2f6a4b8d1e11"],
    )
    action: str = Field(
        description="method and route; or login, login_failed, register, refresh_reused",
        examples=["PATCH /api/v6/spaces/{space_id}"],
    )
    path: str = Field(examples=["/api/v6/spaces/7b9c1c1e-2f64-4a0e-9a3c-4b1d0c3f5a77"])
    request_id: str = Field(
        description="leads to the logs and to the history of what was changed",
        examples=["0c9f6f3e-6a0b-4a3e-8f7a-3f1d2c5b9e10"],
    )
    address: str = Field(description="the client's", examples=["203.0.113.7"])
    status: int | None = Field(description="the HTTP status it ended with; null: under way, or cut off by a crash")
    ended_at: datetime | None = Field(description="when it ended")


class AuditPage(BaseModel):
    """Some of the log, newest first."""

    items: list[AuditEntry]
    next_cursor: NextCursor
