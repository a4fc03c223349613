"""Who is asking: the one dependency `authenticate`, from `X-API-Key: pk_<id>_<secret>` or `Authorization: Bearer`.

A key is looked up by its id, and the SHA-256 of its secret compared in constant time; an unknown id costs the same
work. The secret is random and long, so a plain digest is as hard to reverse as a slow one. A user's access token names
his session, which is looked up with every request: logout and a change of role count at once. 401: we do not know you;
403: we do, and you may not.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer, SecurityScopes
from fastapi.security.http import HTTPAuthorizationCredentials

from api_gateway.gateway import gateway_of
from api_gateway.http.problems import ProblemError
from api_gateway.identity import queries
from api_gateway.identity.api_keys import parse_key
from api_gateway.identity.roles import Role, covers, scopes_of
from api_gateway.identity.sessions import access_tokens
from api_gateway.identity.sessions.queries import find_session
from parking_contracts.errors import ErrorCode

PLATFORM_ADMIN = "platform_admin"
SCOPES = {
    "sites:read": "read sites",
    "sites:write": "create, change and delete sites",
    "spaces:read": "read spaces and their statistics",
    "spaces:write": "create, change and delete spaces, and set their state",
    "devices:read": "read devices",
    "devices:write": "register and assign devices, decode their readings again",
    "downlinks:read": "read what was sent to displays, and what became of it",
    "downlinks:write": "send to displays, take back and repeat; send again what a display should show",
    "displays:read": "read what displays should show and what is known of them, and the display policy",
    "displays:write": "set the display policy, and which displays count free spaces",
    "gateways:read": "read LoRaWAN gateways, and how asking the network server went",
    "gateways:write": "ask the network server for its devices and gateways",
    "alerts:read": "read what is wrong with devices",
    "alerts:write": "take note of alerts",
    "applications:read": "read which tenant a ChirpStack application belongs to",
    "applications:write": "bind ChirpStack applications to a tenant",
    "dead_letters:read": "look at messages that could not be handled",
    "dead_letters:write": "replay them",
    "events:read": "follow the live events",
    "webhooks:read": "read webhooks and what was sent to them",
    "webhooks:write": "make, change, test and delete webhooks, and send events again",
    "users:read": "read who is in the tenant",
    "users:write": "add, change and remove users, up to the caller's own rights",
    "api_keys:read": "read which API keys there are, without their secrets",
    "api_keys:write": "make and revoke API keys, up to the caller's own rights",
    "audit:read": "read who changed what, and who logged in",
    "tenants:read": "read which tenants there are",
    "tenants:write": "make tenants",
    "ingress_credentials:read": "read which integrations may hand in events over HTTP",
    "ingress_credentials:write": "make, change, rotate and revoke their credentials",
    "reservations:read": "read reservations, personal data included",
    "reservations:write": "book, change and cancel reservations, and check in",
    "privacy:write": "export and erase what is kept about a person",
}
_SCOPES_OF = {role: scopes_of(role, SCOPES) for role in Role}
_NO_DIGEST = hashlib.sha256(b"").digest()
_header = APIKeyHeader(
    name="X-API-Key", scheme_name="ApiKey", auto_error=False, description="`pk_<id>_<secret>`, made for one tenant"
)
_bearer = HTTPBearer(
    bearerFormat="JWT",
    scheme_name="AccessToken",
    auto_error=False,
    description="a user's access token, from `POST /api/auth/login` or `/api/auth/refresh`",
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking: an API key, or a user by one of his sessions; the tenant, and what may be done there."""

    tenant_id: UUID
    id: str
    scopes: frozenset[str]
    platform_admin: bool
    kind: Literal["key", "user"] = "key"
    role: Role | None = None
    session_id: UUID | None = None

    @property
    def name(self) -> str:
        """How commands, histories and the audit log call the caller: `key:<id>` or `user:<id>`."""
        return f"{self.kind}:{self.id}"

    @property
    def credential(self) -> str:
        """What ends the caller when it is revoked: the key, or the one session."""
        return self.name if self.session_id is None else f"session:{self.session_id}"

    @property
    def is_admin(self) -> bool:
        """Whether everything in the tenant is open to the caller, as it is to its admins and to the platform's."""
        return self.platform_admin or "*" in self.scopes

    def may(self, scope: str) -> bool:
        """Whether the caller has this scope; `platform_admin` is a right of its own that no wildcard gives."""
        return self.platform_admin if scope == PLATFORM_ADMIN else covers(self.scopes, scope)


async def authenticate(
    required: SecurityScopes,
    request: Request,
    _key: Annotated[str | None, Security(_header)],
    _token: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> Caller:
    """The caller, who has every required scope.

    Raises:
        ProblemError: AUTHENTICATION_ERROR (no credential, a wrong or an ended one) or AUTHORIZATION_ERROR (scope
            missing).
    """
    caller = await identify(request)
    missing = [scope for scope in required.scopes if not caller.may(scope)]
    if missing:
        raise ProblemError(
            ErrorCode.AUTHORIZATION_ERROR,
            f"the {'API key' if caller.kind == 'key' else 'user'} lacks the right {missing[0]}",
            details={"missing": missing},
        )
    return caller


async def identify(request: Request) -> Caller:
    """The caller, looked up once per request: before its body is read, where it has one.

    Raises:
        ProblemError: AUTHENTICATION_ERROR.
    """
    known: Caller | None = getattr(request.state, "caller", None)
    if known is None:
        known = request.state.caller = await _look_up(request)
    return known


async def _look_up(request: Request) -> Caller:
    key = request.headers.get("x-api-key")
    authorization = request.headers.get("authorization")
    if key is not None and authorization is not None:
        raise _unknown("send X-API-Key or Authorization, not both: they may be two callers")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise _unknown("the header Authorization must read: Bearer <access token>", "Bearer")
        return await _user(request, token.strip())
    return await _key(request, key or "")


async def _key(request: Request, text: str) -> Caller:
    parsed = parse_key(text)
    if parsed is None:
        raise _unknown("send the header X-API-Key: pk_<id>_<secret>, or Authorization: Bearer <access token>")
    key_id, digest = parsed
    gateway = gateway_of(request)
    async with gateway.connection() as connection:
        row = await queries.find_key(connection, key_id)
    matches = hmac.compare_digest(digest, row["secret_sha256"] if row else _NO_DIGEST)
    if row is None or not matches or not row["is_alive"]:
        raise _unknown("the API key is unknown, wrong, expired or revoked")
    if row["is_use_news"]:
        async with gateway.batch_pool.acquire(timeout=gateway.settings.database_acquire_seconds) as connection:
            await queries.note_key_use(connection, row["tenant_id"], key_id)
    return Caller(row["tenant_id"], key_id, frozenset(row["scopes"]), row["platform_admin"])


async def _user(request: Request, token: str) -> Caller:
    gateway = gateway_of(request)
    try:
        claims = await access_tokens.verify(gateway.signing_keys, token)
    except access_tokens.InvalidTokenError as error:
        raise _unknown(str(error), 'Bearer error="invalid_token"') from error
    async with gateway.connection() as connection:
        row = await find_session(connection, claims.session_id)
    if row is None or not row["is_alive"] or (row["tenant_id"], row["user_id"]) != (claims.tenant_id, claims.user_id):
        raise _unknown("the session has ended: log in again", 'Bearer error="invalid_token"')
    role = Role(row["role"])
    return Caller(
        claims.tenant_id,
        str(claims.user_id),
        _SCOPES_OF[role],
        row["platform_admin"],
        kind="user",
        role=role,
        session_id=claims.session_id,
    )


def _unknown(message: str, scheme: str = "ApiKey") -> ProblemError:
    return ProblemError(ErrorCode.AUTHENTICATION_ERROR, message, headers={"WWW-Authenticate": scheme})


SitesReader = Annotated[Caller, Security(authenticate, scopes=["sites:read"])]
SitesWriter = Annotated[Caller, Security(authenticate, scopes=["sites:write"])]
SpacesReader = Annotated[Caller, Security(authenticate, scopes=["spaces:read"])]
SpacesWriter = Annotated[Caller, Security(authenticate, scopes=["spaces:write"])]
DevicesReader = Annotated[Caller, Security(authenticate, scopes=["devices:read"])]
DevicesWriter = Annotated[Caller, Security(authenticate, scopes=["devices:write"])]
AlertsReader = Annotated[Caller, Security(authenticate, scopes=["alerts:read"])]
AlertsWriter = Annotated[Caller, Security(authenticate, scopes=["alerts:write"])]
DownlinksReader = Annotated[Caller, Security(authenticate, scopes=["downlinks:read"])]
DownlinksWriter = Annotated[Caller, Security(authenticate, scopes=["downlinks:write"])]
DisplaysReader = Annotated[Caller, Security(authenticate, scopes=["displays:read"])]
DisplaysWriter = Annotated[Caller, Security(authenticate, scopes=["displays:write"])]
GatewaysReader = Annotated[Caller, Security(authenticate, scopes=["gateways:read"])]
SyncReader = Annotated[Caller, Security(authenticate, scopes=["gateways:read", PLATFORM_ADMIN])]
SyncWriter = Annotated[Caller, Security(authenticate, scopes=["gateways:write", PLATFORM_ADMIN])]
OrphansReader = Annotated[Caller, Security(authenticate, scopes=["devices:read", PLATFORM_ADMIN])]
ApplicationsReader = Annotated[Caller, Security(authenticate, scopes=["applications:read", PLATFORM_ADMIN])]
ApplicationsWriter = Annotated[Caller, Security(authenticate, scopes=["applications:write", PLATFORM_ADMIN])]
DeadLettersReader = Annotated[Caller, Security(authenticate, scopes=["dead_letters:read", PLATFORM_ADMIN])]
DeadLettersWriter = Annotated[Caller, Security(authenticate, scopes=["dead_letters:write", PLATFORM_ADMIN])]
WebhooksReader = Annotated[Caller, Security(authenticate, scopes=["webhooks:read"])]
WebhooksWriter = Annotated[Caller, Security(authenticate, scopes=["webhooks:write"])]
EventsReader = Annotated[Caller, Security(authenticate, scopes=["events:read"])]
IngressCredentialsReader = Annotated[Caller, Security(authenticate, scopes=["ingress_credentials:read"])]
IngressCredentialsWriter = Annotated[Caller, Security(authenticate, scopes=["ingress_credentials:write"])]
ReservationsReader = Annotated[Caller, Security(authenticate, scopes=["reservations:read"])]
ReservationsWriter = Annotated[Caller, Security(authenticate, scopes=["reservations:write"])]
PrivacyWriter = Annotated[Caller, Security(authenticate, scopes=["privacy:write"])]
UsersReader = Annotated[Caller, Security(authenticate, scopes=["users:read"])]
UsersWriter = Annotated[Caller, Security(authenticate, scopes=["users:write"])]
ApiKeysReader = Annotated[Caller, Security(authenticate, scopes=["api_keys:read"])]
ApiKeysWriter = Annotated[Caller, Security(authenticate, scopes=["api_keys:write"])]
AuditReader = Annotated[Caller, Security(authenticate, scopes=["audit:read"])]
TenantsReader = Annotated[Caller, Security(authenticate, scopes=["tenants:read", PLATFORM_ADMIN])]
TenantsWriter = Annotated[Caller, Security(authenticate, scopes=["tenants:write", PLATFORM_ADMIN])]
AnyCaller = Annotated[Caller, Security(authenticate)]
