"""Routes for the API keys of a tenant, for its admins."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Path, Query, Response

from api_gateway.http.idempotent_writes import Once
from api_gateway.http.openapi import READ, READ_ONE, WRITE
from api_gateway.http.paging import Paging
from api_gateway.http.problems import ProblemError, not_found
from api_gateway.http.routes import NounRouter
from api_gateway.http.sorting import sort_by
from api_gateway.identity.api_keys import make_key, parse_key
from api_gateway.identity.authentication import PLATFORM_ADMIN, SCOPES, ApiKeysReader, ApiKeysWriter, Caller
from api_gateway.identity.database import Database
from api_gateway.identity.keys import queries
from api_gateway.identity.keys.models import ApiKey, ApiKeyPage, MadeApiKey, NewApiKey
from parking_chassis.postgres import Connection
from parking_contracts.errors import ErrorCode

PATH = "/api/v6/api-keys"
router = NounRouter(prefix=PATH, tags=["api keys"])
KeyId = Annotated[str, Path(pattern="^[a-z0-9]{8,32}$", description="the key's public part", examples=["4f1c0b9a7d2e"])]
ORDER = sort_by(queries.SORT_COLUMNS, default="name", tie="id")


@router.get("", responses=READ)
async def list_api_keys(
    caller: ApiKeysReader,
    database: Database,
    page: Paging,
    order: Annotated[str, Depends(ORDER)],
    include_revoked: Annotated[bool, Query(description="also what was revoked")] = False,
) -> ApiKeyPage:
    """The tenant's keys, by name unless `sort` says otherwise; never their secrets."""
    total, rows = await queries.list_keys(
        database, caller.tenant_id, order, include_revoked=include_revoked, limit=page.limit, offset=page.offset
    )
    return ApiKeyPage(**page.of(total), items=[ApiKey(**row) for row in rows])


@router.get("/{key_id}", responses=READ_ONE)
async def get_api_key(caller: ApiKeysReader, database: Database, key_id: KeyId) -> ApiKey:
    """One key; a revoked one shows since when."""
    row = await queries.get_key(database, caller.tenant_id, key_id)
    if row is None:
        raise not_found("API key", key_id)
    return ApiKey(**row)


@router.post("", status_code=201, responses=WRITE)
async def create_api_key(
    caller: ApiKeysWriter, database: Database, once: Once, body: NewApiKey, response: Response
) -> MadeApiKey:
    """Make a key; its secret is in this answer and nowhere else. It may do no more than the caller, and for no longer
    than a key that makes it.
    """
    _require_reach(caller, body.scopes, platform_admin=body.platform_admin)
    await _require_end(database, caller, body.expires_at)
    if body.expires_at is not None and body.expires_at <= datetime.now(UTC):
        errors = [{"field": "body.expires_at", "message": "lies in the past"}]
        raise ProblemError(ErrorCode.VALIDATION_ERROR, "body.expires_at: lies in the past", details={"errors": errors})
    text = make_key()
    parsed = parse_key(text)
    assert parsed is not None  # noqa: S101  just made
    key_id, digest = parsed

    async def add() -> ApiKey:
        row = await queries.insert_key(
            database,
            caller.tenant_id,
            key_id,
            digest,
            name=body.name,
            scopes=sorted(set(body.scopes)),
            platform_admin=body.platform_admin,
            created_by=caller.name,
            expires_at=body.expires_at,
        )
        return ApiKey(**row)

    made = ApiKey.model_validate_json(await once.carry_out(database, caller, body, add))
    response.headers["Location"] = f"{PATH}/{made.id}"
    return MadeApiKey(**made.model_dump(), key=text if made.id == key_id else None)


@router.delete("/{key_id}", status_code=204, responses=WRITE)
async def revoke_api_key(caller: ApiKeysWriter, database: Database, key_id: KeyId) -> None:
    """End a key for good, at once and on every replica; its event streams end within a second.

    Nobody ends a key that may do more than himself.
    """
    row = await queries.get_key(database, caller.tenant_id, key_id)
    if row is None:
        raise not_found("API key", key_id)
    _require_reach(caller, row["scopes"], platform_admin=row["platform_admin"])
    await queries.revoke_key(database, caller.tenant_id, key_id)


def _require_reach(caller: Caller, scopes: Iterable[str], *, platform_admin: bool) -> None:
    """A key is not worth more than who makes or ends it: a wildcard stands for all that is under it."""
    missing = [scope for scope in scopes if not _has(caller, scope)]
    if platform_admin and not caller.platform_admin:
        missing.append(PLATFORM_ADMIN)
    if missing:
        raise ProblemError(
            ErrorCode.AUTHORIZATION_ERROR,
            f"a key may do no more than who makes or revokes it, who lacks {missing[0]}",
            details={"missing": missing},
        )


async def _require_end(database: Connection, caller: Caller, expires_at: datetime | None) -> None:
    """A key that ends by itself could otherwise live on in those that it has made."""
    row = await queries.get_key(database, caller.tenant_id, caller.id) if caller.kind == "key" else None
    own = row["expires_at"] if row else None
    if own is not None and (expires_at is None or expires_at > own):
        raise ProblemError(
            ErrorCode.AUTHORIZATION_ERROR,
            f"a key works no longer than the key that makes it, which ends at {own.isoformat()}: give expires_at",
            details={"field": "body.expires_at"},
        )


def _has(caller: Caller, scope: str) -> bool:
    if scope == "*":
        return "*" in caller.scopes
    noun, _, verb = scope.partition(":")
    if verb == "*":
        return all(caller.may(known) for known in SCOPES if known.startswith(f"{noun}:"))
    return caller.may(scope)
