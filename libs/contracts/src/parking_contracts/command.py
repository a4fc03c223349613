"""The envelope of every command: who asks, for which tenant, and how a retry is recognised.

Sent by api_gateway (and the CLI) as NATS requests to the service that owns the noun, which answers with
`errors.Reply`. The owner commits the answer with the effect, so a retry with the same key replays it.
"""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar
from uuid import UUID

import msgspec

Body = TypeVar("Body")


class CommandBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a command asks for; `subject` is where its owner answers it."""

    subject: ClassVar[str]


class Command(msgspec.Struct, Generic[Body], frozen=True, kw_only=True):
    """One request to change something. `caller` is `user:<id>`, `key:<id>` or `cli:<name>`.

    `platform_admin` callers may touch what no tenant owns. `idempotency_key` and `body_sha256` go together: the same
    key with another body is refused.
    """

    tenant_id: UUID
    caller: str
    request_id: str
    body: Body
    platform_admin: bool = False
    idempotency_key: str | None = None
    body_sha256: str = ""
