"""What changes a session that exists: refreshing it, ending it, and another password; and who its user is."""

from __future__ import annotations

from uuid import UUID

import structlog
from fastapi import Request

from api_gateway import metrics
from api_gateway.gateway import gateway_of
from api_gateway.http.problems import ProblemError
from api_gateway.identity.audit.trail import note
from api_gateway.identity.authentication import SCOPES, Caller
from api_gateway.identity.client_address import client_address
from api_gateway.identity.database import transaction_of
from api_gateway.identity.keys.queries import get_key
from api_gateway.identity.roles import covers
from api_gateway.identity.sessions import queries
from api_gateway.identity.sessions.login import count_attempt
from api_gateway.identity.sessions.models import Me
from api_gateway.identity.sessions.refresh_tokens import parse_refresh_token
from api_gateway.identity.sessions.sessions import Ended, Opened, Refresh, use_refresh_token
from api_gateway.identity.tenants.queries import get_tenant
from api_gateway.identity.users.adding import require_strength
from api_gateway.identity.users.queries import get_password_hash, get_user, hold_password, set_password_hash
from parking_chassis.postgres import Connection, act_for
from parking_contracts.errors import ErrorCode

log = structlog.get_logger()


async def refresh(request: Request, text: str, idempotency_key: str | None) -> Opened:
    """Use up a refresh token; reuse ends its session, and is noted.

    Raises:
        ProblemError: AUTHENTICATION_ERROR, the same for whatever is wrong.
    """
    gateway = gateway_of(request)
    token = parse_refresh_token(text)
    if token is None:
        raise _refused("this is no refresh token: it reads rt_<session>_<secret>")
    async with gateway.connection() as connection, connection.transaction():
        session = await queries.find_session(connection, token.session_id)
        if session is None:
            raise _refused()
        await act_for(connection, session["tenant_id"])
        done = await use_refresh_token(connection, gateway.settings, session["tenant_id"], token, idempotency_key)
    metrics.REFRESHES.labels(done.outcome).inc()
    if done.outcome is Refresh.REUSED:
        log.warning("refresh_token_reused", session=str(token.session_id), user=str(session["user_id"]))
        await note(request, session["tenant_id"], f"user:{session['user_id']}", "refresh_reused")
    if done.opened is None:
        raise _refused()
    return done.opened


def session_of(caller: Caller) -> tuple[UUID, UUID]:
    """The user and the session of a caller who has one.

    Raises:
        ProblemError: AUTHORIZATION_ERROR, it is a key.
    """
    if caller.session_id is None:
        raise ProblemError(ErrorCode.AUTHORIZATION_ERROR, "an API key has neither session nor password: revoke it")
    return UUID(caller.id), caller.session_id


async def change_password(request: Request, caller: Caller, current: str, new: str) -> None:
    """Replace the caller's password, and end his other sessions. Guessing the current one is throttled like a log-in.

    Raises:
        ProblemError: AUTHENTICATION_ERROR (the current one is wrong), RATE_LIMITED, VALIDATION_ERROR (the new one).
    """
    gateway = gateway_of(request)
    user_id, session_id = session_of(caller)
    async with transaction_of(request, caller) as connection:
        user = await get_user(connection, caller.tenant_id, user_id)
        email = user["email"] if user else ""
        stored = await get_password_hash(connection, caller.tenant_id, user_id)
    require_strength(new, email, "body.new_password")
    address = client_address(request, gateway.settings.trusted_proxies)
    known = await count_attempt(request, address, email)
    if stored is None or not (await gateway.passwords.verify(current, stored)).matches:
        raise _wrong_password()
    password_hash = await gateway.passwords.hash(new)
    async with transaction_of(request, caller) as connection:
        # An administrator may have given another one meanwhile: what we have looked at is then the current one no more.
        if not await hold_password(connection, caller.tenant_id, user_id, stored):
            raise _wrong_password()
        await set_password_hash(connection, caller.tenant_id, user_id, password_hash)
        await queries.revoke_sessions(connection, caller.tenant_id, user_id, Ended.PASSWORD_CHANGED, but=session_id)
    await gateway.throttle.succeed(address, email, known=known)


async def describe(connection: Connection, caller: Caller) -> Me:
    """Who is asking."""
    tenant = await get_tenant(connection, caller.tenant_id)
    user = await get_user(connection, caller.tenant_id, UUID(caller.id)) if caller.kind == "user" else None
    key = await get_key(connection, caller.tenant_id, caller.id) if caller.kind == "key" else None
    named = user or key
    return Me(
        kind=caller.kind,
        id=caller.id,
        tenant_id=caller.tenant_id,
        tenant_name=tenant["name"] if tenant else "",
        scopes=sorted(scope for scope in SCOPES if covers(caller.scopes, scope)),
        platform_admin=caller.platform_admin,
        role=caller.role,
        email=user["email"] if user else None,
        name=named["name"] if named else "",
        session_id=caller.session_id,
    )


def _wrong_password() -> ProblemError:
    return ProblemError(ErrorCode.AUTHENTICATION_ERROR, "the current password is wrong")


def _refused(message: str = "the refresh token is unknown, used or ended: log in again") -> ProblemError:
    return ProblemError(ErrorCode.AUTHENTICATION_ERROR, message, headers={"WWW-Authenticate": "Bearer"})
