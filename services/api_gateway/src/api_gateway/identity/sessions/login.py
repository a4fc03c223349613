"""Log-in, step by step: throttle, look up, verify, note, open a session.

An unknown e-mail, a wrong password and a disabled user get the same answer for the same work: one argon2 computation.
Each attempt is in the audit log: a good one under the user, a bad one under a digest of the e-mail, in the tenant
whose user was tried (none: the platform admin's).
"""

from __future__ import annotations

import hashlib
from uuid import UUID

import asyncpg
import structlog
from fastapi import Request

from api_gateway import metrics
from api_gateway.gateway import Gateway, gateway_of
from api_gateway.http.problems import ProblemError
from api_gateway.identity.audit.trail import note
from api_gateway.identity.client_address import client_address
from api_gateway.identity.sessions import queries
from api_gateway.identity.sessions.sessions import Opened, open_session
from api_gateway.identity.users.queries import hold_password, set_password_hash
from parking_chassis.postgres import Connection, act_for
from parking_contracts.errors import ErrorCode

log = structlog.get_logger()

# A password that was changed, or hashed anew, while we looked at it is looked at once more.
LOOKS = 2


async def log_in(request: Request, email: str, password: str) -> Opened:
    """A new session of the user whom e-mail and password name.

    Raises:
        ProblemError: AUTHENTICATION_ERROR, or RATE_LIMITED after too many of those.
    """
    gateway = gateway_of(request)
    address = client_address(request, gateway.settings.trusted_proxies)
    known = await count_attempt(request, address, email)
    for _ in range(LOOKS):
        async with gateway.connection() as connection:
            user = await queries.find_user(connection, email)
        verdict = await gateway.passwords.verify(password, user["password_hash"] if user else None)
        if user is None or not verdict.matches or user["disabled_at"] is not None:
            break
        await note(request, user["tenant_id"], f"user:{user['id']}", "login")
        opened = await _start_if_unchanged(request, user)
        if opened is None:
            continue
        await gateway.throttle.succeed(address, email, known=known)
        if verdict.is_outdated:
            await _hash_again(gateway, user["tenant_id"], user["id"], password, user["password_hash"])
        metrics.LOGINS.labels("success").inc()
        return opened
    metrics.LOGINS.labels("failure").inc()
    await note(request, user["tenant_id"] if user else None, anonymous(email), "login_failed")
    raise ProblemError(
        ErrorCode.AUTHENTICATION_ERROR,
        "e-mail or password is wrong, or the user is disabled",
        headers={"WWW-Authenticate": "Bearer"},
    )


async def start_session(request: Request, tenant_id: UUID, user_id: UUID) -> Opened:
    """Open a session for a user who has shown who he is."""
    async with gateway_of(request).connection() as connection, connection.transaction():
        await act_for(connection, tenant_id)
        return await _open(request, connection, tenant_id, user_id)


async def _start_if_unchanged(request: Request, user: asyncpg.Record) -> Opened | None:
    """The same, unless the user has another password by now, or is disabled: whoever changed that has ended sessions,
    and this one would have come too late for him.
    """
    async with gateway_of(request).connection() as connection, connection.transaction():
        await act_for(connection, user["tenant_id"])
        if not await hold_password(connection, user["tenant_id"], user["id"], user["password_hash"]):
            return None
        return await _open(request, connection, user["tenant_id"], user["id"])


async def _open(request: Request, connection: Connection, tenant_id: UUID, user_id: UUID) -> Opened:
    settings = gateway_of(request).settings
    return await open_session(
        connection,
        settings,
        tenant_id=tenant_id,
        user_id=user_id,
        user_agent=request.headers.get("user-agent", ""),
        address=client_address(request, settings.trusted_proxies),
    )


async def count_attempt(request: Request, address: str, email: str) -> bool:
    """Ask the throttle; what `LoginThrottle.attempt` says. A refusal is counted and not noted: it costs nobody much.

    Raises:
        ProblemError: RATE_LIMITED.
    """
    try:
        return await gateway_of(request).throttle.attempt(address, email)
    except ProblemError:
        metrics.LOGINS.labels("throttled").inc()
        log.info("login_throttled", address=address)
        raise


async def _hash_again(gateway: Gateway, tenant_id: UUID, user_id: UUID, password: str, outdated: str) -> None:
    """The parameters have grown since this hash was made, and only now is the password at hand."""
    password_hash = await gateway.passwords.hash(password)
    async with gateway.connection() as connection, connection.transaction():
        await act_for(connection, tenant_id)
        if await hold_password(connection, tenant_id, user_id, outdated):
            await set_password_hash(connection, tenant_id, user_id, password_hash)


def anonymous(email: str) -> str:
    """Who tried, without naming him: the same e-mail gives the same text."""
    return f"email:{hashlib.sha256(email.casefold().encode()).hexdigest()}"
