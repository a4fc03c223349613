"""Routes of a session's life: `/api/auth`. Those that begin one have no caller yet; they note themselves."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Request, Response

from api_gateway.gateway import gateway_of
from api_gateway.http.fields import KEY_PATTERN
from api_gateway.http.openapi import WRITE, problems
from api_gateway.http.problems import ProblemError
from api_gateway.http.routes import NounRouter
from api_gateway.identity.authentication import AnyCaller
from api_gateway.identity.database import Database
from api_gateway.identity.sessions import access_tokens, changing, queries
from api_gateway.identity.sessions.access_tokens import Claims
from api_gateway.identity.sessions.login import log_in, start_session
from api_gateway.identity.sessions.models import (
    JsonWebKey,
    JsonWebKeys,
    LoggedIn,
    LogIn,
    LogOut,
    Me,
    PasswordChange,
    RefreshBody,
    Registration,
    Tokens,
)
from api_gateway.identity.sessions.refresh_tokens import RefreshToken
from api_gateway.identity.sessions.registering import register_tenant
from api_gateway.identity.sessions.sessions import Ended, Opened
from api_gateway.identity.users.models import User
from api_gateway.identity.users.queries import get_user
from parking_chassis.postgres import act_for
from parking_contracts.errors import ErrorCode

PATH = "/api/auth"
PUBLIC = problems(400, 401, 413, 415, 422, 429, 500, 503)
router = NounRouter(prefix=PATH, tags=["auth"])


@router.post("/register", status_code=201, responses={**PUBLIC, **problems(403, 409)})
async def register(request: Request, body: Registration, response: Response) -> LoggedIn:
    """Make a tenant and its owner, and log him in; refused where registration is closed."""
    claims = await register_tenant(request, body)
    response.headers["Location"] = f"{PATH}/me"
    opened = await start_session(request, claims.tenant_id, claims.user_id)
    return await _logged_in(request, opened)


@router.post("/login", responses=PUBLIC)
async def login(request: Request, body: LogIn) -> LoggedIn:
    """Begin a session with e-mail and password.

    The access token lives for minutes; the refresh token gets the next one, once. Who fails too often must wait, by
    address and account.
    """
    return await _logged_in(request, await log_in(request, body.email, body.password))


@router.post("/refresh", responses=PUBLIC)
async def refresh(
    request: Request,
    body: RefreshBody,
    idempotency_key: Annotated[
        str | None,
        Header(
            pattern=KEY_PATTERN,
            description="a random one per refresh: a lost answer can then be asked for again with the same token",
        ),
    ] = None,
) -> Tokens:
    """Use up a refresh token for new tokens.

    A token that comes a second time ends the whole session, as it may have been stolen; only with the Idempotency-Key
    of the first time, and as long as the new token is unused, is it answered as the first time.
    """
    opened = await changing.refresh(request, body.refresh_token, idempotency_key)
    return await _tokens(request, opened.claims, opened.refresh_token)


@router.post("/logout", status_code=204, responses=WRITE)
async def logout(caller: AnyCaller, database: Database, body: LogOut | None = None) -> None:
    """End this session, or all of the user's; access tokens and event streams end with them, at once."""
    user_id, session_id = changing.session_of(caller)
    if body is not None and body.everywhere:
        await queries.revoke_sessions(database, caller.tenant_id, user_id, Ended.LOGOUT_EVERYWHERE)
    else:
        await queries.revoke_session(database, caller.tenant_id, session_id, Ended.LOGOUT)


@router.post("/password", status_code=204, responses={**WRITE, **problems(429)})
async def change_password(caller: AnyCaller, request: Request, body: PasswordChange) -> None:
    """Change one's own password; all other sessions of the user end."""
    await changing.change_password(request, caller, body.current_password, body.new_password)


@router.get("/me", responses=problems(401, 422, 500, 503))
async def get_me(caller: AnyCaller, database: Database) -> Me:
    """Who is asking, and what he may do."""
    return await changing.describe(database, caller)


@router.get("/jwks", responses=problems(422, 500, 503))
async def list_public_keys(request: Request) -> JsonWebKeys:
    """The public keys of the access tokens (RFC 7517), for services that verify them on their own.

    A signature alone does not say that the session still lives.
    """
    keys = await gateway_of(request).signing_keys.all()
    return JsonWebKeys(keys=[JsonWebKey(kid=key.kid, x=key.public_text) for key in keys])


async def _tokens(request: Request, claims: Claims, refresh_token: RefreshToken) -> Tokens:
    gateway = gateway_of(request)
    seconds = gateway.settings.access_token_seconds
    token = await access_tokens.issue(gateway.signing_keys, claims, seconds=seconds)
    return Tokens(access_token=token, expires_in=seconds, refresh_token=refresh_token.text)


async def _logged_in(request: Request, opened: Opened) -> LoggedIn:
    claims = opened.claims
    tokens = await _tokens(request, claims, opened.refresh_token)
    async with gateway_of(request).connection() as connection, connection.transaction():
        await act_for(connection, claims.tenant_id)
        row = await get_user(connection, claims.tenant_id, claims.user_id)
    if row is None:
        raise ProblemError(ErrorCode.AUTHENTICATION_ERROR, "the user has just been removed")
    return LoggedIn(**tokens.model_dump(), user=User(**row))
