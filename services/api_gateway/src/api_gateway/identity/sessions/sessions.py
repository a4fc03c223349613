"""A session's life: it opens with a log-in, goes on by rotating its refresh token, and ends for good.

A refresh token works once. One that comes again was stolen, or its answer was lost. The request's idempotency key
tells the two apart: the same key gets the same successor again, as long as nobody has used that; anything else ends
the whole session, whoever holds its newest token. Uses of one session's tokens wait for each other at its row.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from api_gateway.identity.sessions import queries
from api_gateway.identity.sessions.access_tokens import Claims
from api_gateway.identity.sessions.refresh_tokens import SALT_BYTES, RefreshToken, first_token
from parking_chassis.postgres import Connection

if TYPE_CHECKING:
    from api_gateway.settings import Settings


class Ended(StrEnum):
    """Why a session was ended before its time."""

    LOGOUT = "logout"
    LOGOUT_EVERYWHERE = "logout_everywhere"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  a reason
    USER_DISABLED = "user_disabled"
    REFRESH_REUSED = "refresh_reused"


class Refresh(StrEnum):
    """What came of a refresh token's use."""

    ROTATED = "rotated"
    REPEATED = "repeated"
    REFUSED = "refused"
    REUSED = "reused"


@dataclass(frozen=True, slots=True)
class Opened:
    """A session's tokens are made from this."""

    claims: Claims
    refresh_token: RefreshToken


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The outcome; `opened` where the token was good."""

    outcome: Refresh
    opened: Opened | None = None


async def open_session(
    connection: Connection, settings: Settings, *, tenant_id: UUID, user_id: UUID, user_agent: str, address: str
) -> Opened:
    """A new session of a user, in a transaction of his tenant."""
    lives = timedelta(days=min(settings.refresh_idle_days, settings.refresh_days))
    session_id = await queries.insert_session(
        connection, tenant_id=tenant_id, user_id=user_id, lives=lives, user_agent=user_agent, address=address
    )
    token = first_token(session_id)
    await queries.insert_refresh_token(connection, tenant_id, session_id, token.digest)
    return Opened(Claims(user_id, session_id, tenant_id), token)


async def use_refresh_token(
    connection: Connection, settings: Settings, tenant_id: UUID, token: RefreshToken, idempotency_key: str | None
) -> Refreshed:
    """Rotate, in a transaction of the session's tenant. It must be committed whatever the outcome: reuse ends more."""
    session = await queries.lock_session(connection, tenant_id, token.session_id)
    row = await queries.get_refresh_token(connection, tenant_id, token.session_id, token.digest)
    if session is None or row is None or not session["is_alive"]:
        return Refreshed(Refresh.REFUSED)
    claims = Claims(session["user_id"], token.session_id, tenant_id)
    if row["used_at"] is not None:
        if not _is_repeated(row, idempotency_key):
            await queries.revoke_session(connection, tenant_id, token.session_id, Ended.REFRESH_REUSED)
            return Refreshed(Refresh.REUSED)
        return Refreshed(Refresh.REPEATED, Opened(claims, token.successor(idempotency_key, row["salt"])))
    salt = secrets.token_bytes(SALT_BYTES)
    successor = token.successor(idempotency_key, salt)
    await queries.use_refresh_token(
        connection,
        tenant_id,
        token.session_id,
        token.digest,
        successor=successor.digest,
        key=None if idempotency_key is None else _key_digest(idempotency_key),
        salt=None if idempotency_key is None else salt,
    )
    await queries.insert_refresh_token(connection, tenant_id, token.session_id, successor.digest)
    await queries.prolong_session(
        connection,
        tenant_id,
        token.session_id,
        idle=timedelta(days=settings.refresh_idle_days),
        lives=timedelta(days=settings.refresh_days),
    )
    return Refreshed(Refresh.ROTATED, Opened(claims, successor))


def _is_repeated(row: asyncpg.Record, idempotency_key: str | None) -> bool:
    """Whether it is the request that has used the token, again, and nobody has gone on from its answer."""
    return (
        idempotency_key is not None
        and row["used_key_sha256"] is not None
        and not row["is_successor_used"]
        and hmac.compare_digest(row["used_key_sha256"], _key_digest(idempotency_key))
    )


def _key_digest(idempotency_key: str) -> bytes:
    return hashlib.sha256(idempotency_key.encode()).digest()
