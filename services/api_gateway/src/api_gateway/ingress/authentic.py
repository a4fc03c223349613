"""Who delivers an event: a credential, proven by its token or by a signature over the body.

401 tells nothing of which part was wrong but what the sender can mend; an unknown credential costs the same work as a
wrong secret. The body is read within its limit, a token checked before that.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import asyncpg
import structlog
from fastapi import Depends, Header, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api_gateway.gateway import gateway_of
from api_gateway.http.problems import ProblemError
from api_gateway.ingress import queries
from api_gateway.ingress.signatures import SignatureError, check_signature
from api_gateway.ingress.tokens import is_id, parse_bearer
from parking_contracts.errors import ErrorCode

log = structlog.get_logger()

BODY_LIMIT_BYTES = 1 << 20
_NO_DIGEST = hashlib.sha256(b"").digest()
_bearer = HTTPBearer(
    scheme_name="IngressToken",
    auto_error=False,
    description="`it_<id>_<secret>`, made with the credential of one integration",
)


@dataclass(frozen=True, slots=True)
class Sender:
    """An authenticated integration. `application_ids` None: those that no other tenant holds."""

    credential_id: str
    tenant_id: UUID
    source: str
    application_ids: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A body, who delivers it, and when it was here whole: stamped once for the event's whole way."""

    sender: Sender
    body: bytes
    received_at: datetime


async def authenticate_delivery(
    request: Request,
    _token: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    credential: Annotated[str | None, Query(description="whose signature it is; see Parkstream-Credential")] = None,
    parkstream_credential: Annotated[
        str | None, Header(description="the credential's id, where the body is signed (Standard Webhooks)")
    ] = None,
) -> Delivery:
    """The body of a sender that has proven who it is.

    Raises:
        ProblemError: AUTHENTICATION_ERROR, or PAYLOAD_TOO_LARGE.
    """
    authorization = request.headers.get("authorization")
    if authorization is not None:
        sender = await _holder_of_token(request, authorization)
        body = await _body(request)
        return Delivery(sender, body, datetime.now(UTC))
    credential_id = parkstream_credential or credential or ""
    row = await _find(request, credential_id) if is_id(credential_id) else None
    body = await _body(request)
    received_at = datetime.now(UTC)
    secrets = _live(row, "signing_secret", "previous_signing_secret", "previous_signing_until", received_at)
    try:
        check_signature(body, request.headers, secrets or [_NO_DIGEST], received_at)
    except SignatureError as error:
        raise _unknown(credential_id, f"no bearer token, and {error}") from error
    if row is None or not secrets:
        raise _unknown(credential_id, "the credential is unknown or revoked")
    return Delivery(_sender(credential_id, row), body, received_at)


async def _holder_of_token(request: Request, authorization: str) -> Sender:
    parsed = parse_bearer(authorization)
    if parsed is None:
        raise _unknown("", "send the header Authorization: Bearer it_<id>_<secret>")
    credential_id, digest = parsed
    row = await _find(request, credential_id)
    live = _live(row, "token_sha256", "previous_token_sha256", "previous_token_until", datetime.now(UTC))
    matches = [hmac.compare_digest(digest, one) for one in live or [_NO_DIGEST]]
    if row is None or not live or not any(matches):
        raise _unknown(credential_id, "the token is unknown, wrong or revoked")
    return _sender(credential_id, row)


async def _find(request: Request, credential_id: str) -> asyncpg.Record | None:
    async with gateway_of(request).connection() as connection:
        return await queries.find_credential(connection, credential_id)


def _live(row: asyncpg.Record | None, current: str, previous: str, until: str, now: datetime) -> list[bytes]:
    """The secrets that are good now: none of a credential that is revoked."""
    if row is None or row["revoked_at"] is not None:
        return []
    is_previous_live = row[previous] is not None and row[until] > now
    return [row[current], row[previous]] if is_previous_live else [row[current]]


def _sender(credential_id: str, row: asyncpg.Record) -> Sender:
    covered = None if row["application_ids"] is None else frozenset(row["application_ids"])
    return Sender(credential_id, row["tenant_id"], row["source"], covered)


async def _body(request: Request) -> bytes:
    parts, size = [], int(request.headers.get("content-length", "0"))
    if size <= BODY_LIMIT_BYTES:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > BODY_LIMIT_BYTES:
                break
            parts.append(part)
    if size > BODY_LIMIT_BYTES:
        raise ProblemError(
            ErrorCode.PAYLOAD_TOO_LARGE,
            f"the event is larger than {BODY_LIMIT_BYTES} bytes",
            details={"limit_bytes": BODY_LIMIT_BYTES},
        )
    return b"".join(parts)


def _unknown(credential_id: str, message: str) -> ProblemError:
    log.warning("ingress_unauthenticated", credential=credential_id[:40], reason=message)
    return ProblemError(ErrorCode.AUTHENTICATION_ERROR, message, headers={"WWW-Authenticate": "Bearer"})


Delivered = Annotated[Delivery, Depends(authenticate_delivery)]
