"""API keys as HTTP shows and takes them. The secret is shown once, when the key is made."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from api_gateway.http.fields import Body, Instant, Name, RequestId
from api_gateway.identity.authentication import SCOPES

_NOUNS = {scope.partition(":")[0] for scope in SCOPES}


def _known(scope: str) -> str:
    noun, _, verb = scope.partition(":")
    if scope != "*" and scope not in SCOPES and not (verb == "*" and noun in _NOUNS):
        raise ValueError(f"there is no scope {scope[:50]!a}; known: {', '.join(SCOPES)}, <noun>:* and *")
    return scope


Scope = Annotated[str, AfterValidator(_known), Field(max_length=50, examples=["spaces:read"])]


class ApiKey(BaseModel):
    """What a program presents itself with."""

    tenant_id: UUID = Field(description="whom it belongs to")
    id: str = Field(description="its public part", examples=["4f1c0b9a7d2e"])
    name: str = Field(examples=["Parking guidance screen"])
    scopes: list[str] = Field(description="what it may do", examples=[["spaces:read", "events:read"]])
    platform_admin: bool = Field(description="whether the whole platform's nouns are open to it")
    created_at: datetime
    created_by: str = Field(
        description="`user:<id>` or `key:<id>`; empty for the first key",
        examples=["user:0198c5a0-7d54-7d1c-9c0e-2f6a4b8d1e11"],
    )
    expires_at: datetime | None = Field(description="it ends by itself then; null: never")
    last_used_at: datetime | None = Field(description="to the hour; null: never yet")
    revoked_at: datetime | None = Field(description="null while it works")


class MadeApiKey(ApiKey):
    """A key that was made just now."""

    key: str | None = Field(
        description="`pk_<id>_<secret>`, shown this once: send it as X-API-Key. Null where a repeated Idempotency-Key "
        "gets the first answer again, as the secret is stored nowhere: if you have lost it, revoke the key",
        examples=["pk_4f1c0b9a7d2e_Zq2b1Q0m8ZtY4d9mJ3cXwP6nR5vK7hL0aE1gT2iU4oM"],
    )


class ApiKeyPage(BaseModel):
    """Some of the keys, by name."""

    total: int = Field(description="how many match, on all pages", examples=[3])
    limit: int
    offset: int
    items: list[ApiKey]


class NewApiKey(Body):
    """A key to be made; it may do no more than who makes it."""

    name: Name
    scopes: list[Scope] = Field(min_length=1, max_length=100, description="what it may do; `<noun>:*` and `*` work too")
    platform_admin: bool = Field(default=False, description="only a platform admin may make such a key")
    expires_at: Instant | None = Field(default=None, description="when it is to end by itself; null: never")
    request_id: RequestId = None
