"""Access tokens: JWTs signed with EdDSA, for 15 minutes, that name a user's session.

The signature says that we have issued the token; whether the session still lives, and what the user may do by now, is
asked of the database with every request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import jwt

from api_gateway.identity.sessions.signing_keys import SigningKeys

ALGORITHM = "EdDSA"
ISSUER = "parkstream"
AUDIENCE = "parkstream-api"
LENGTH_LIMIT = 2000
LEEWAY_SECONDS = 10  # clocks of replicas may differ
_REQUIRED = ["iss", "aud", "sub", "sid", "tid", "iat", "exp"]


@dataclass(frozen=True, slots=True)
class Claims:
    """Whose token it is."""

    user_id: UUID
    session_id: UUID
    tenant_id: UUID


class InvalidTokenError(Exception):
    """Not a token of ours, or not any more. The text says which, and nothing about anybody."""


async def issue(keys: SigningKeys, claims: Claims, *, seconds: int) -> str:
    """A new token for the session."""
    key = await keys.current()
    now = datetime.now(UTC)
    payload = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(claims.user_id),
        "sid": str(claims.session_id),
        "tid": str(claims.tenant_id),
        "iat": now,
        "exp": now + timedelta(seconds=seconds),
    }
    return jwt.encode(payload, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})


async def verify(keys: SigningKeys, token: str) -> Claims:
    """The claims of a token that we have signed and that has not run out.

    Raises:
        InvalidTokenError: It is anything else; the algorithm is ours to choose, never the token's.
    """
    if len(token) > LENGTH_LIMIT:
        raise InvalidTokenError("the access token is none of ours")
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") != ALGORITHM:
            raise InvalidTokenError("the access token is none of ours")
        key = await keys.find(str(header.get("kid", "")))
        if key is None:
            raise InvalidTokenError("the access token is signed by no key of ours")
        claims = jwt.decode(
            token,
            key.public,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=LEEWAY_SECONDS,
            options={"require": _REQUIRED},
        )
        return Claims(UUID(claims["sub"]), UUID(claims["sid"]), UUID(claims["tid"]))
    except jwt.ExpiredSignatureError as error:
        raise InvalidTokenError("the access token has expired: get a new one from /api/auth/refresh") from error
    except (jwt.InvalidTokenError, ValueError) as error:
        raise InvalidTokenError("the access token is none of ours") from error
