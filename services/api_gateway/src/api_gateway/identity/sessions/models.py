"""What log-in and its kin take and answer."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from api_gateway.http.fields import Body, Name
from api_gateway.identity.roles import Role
from api_gateway.identity.users.models import Email, NewPassword, User

GivenPassword = Annotated[
    str, Field(min_length=1, max_length=200, description="as it was chosen", examples=["three blue parking meters"])
]
RefreshTokenText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="`rt_<session>_<secret>`, good for one use",
        examples=["rt_0b0f7e7c9a5d4c1e8f2a3b4c5d6e7f80_sZq2b1Q0m8ZtY4d9mJ3cXwP6nR5vK7hL0aE1gT2iU4o"],
    ),
]


class LogIn(Body):
    """Who logs in."""

    email: Annotated[str, Field(min_length=1, max_length=255, examples=["ada@example.com"])]
    password: GivenPassword


class Registration(Body):
    """A new tenant, and the user who owns it."""

    tenant_name: Name
    email: Email
    password: NewPassword
    name: Name


class RefreshBody(Body):
    """The token to be used up."""

    refresh_token: RefreshTokenText


class LogOut(Body):
    """How much to end."""

    everywhere: bool = Field(default=False, description="end all of the user's sessions, not this one alone")


class PasswordChange(Body):
    """The user's own new password."""

    current_password: GivenPassword
    new_password: NewPassword


class Tokens(BaseModel):
    """What a session works with."""

    access_token: str = Field(
        description="send it as `Authorization: Bearer <access_token>`", examples=["eyJhbGciOi..."]
    )
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  a kind
    expires_in: int = Field(description="seconds until the access token runs out", examples=[900])
    refresh_token: RefreshTokenText


class LoggedIn(Tokens):
    """The session's tokens, and whose they are."""

    user: User


class Me(BaseModel):
    """Who is asking."""

    kind: Literal["key", "user"] = Field(description="an API key or a user")
    id: str = Field(description="of the key or of the user", examples=["0198c5a0-7d54-7d1c-9c0e-2f6a4b8d1e11"])
    tenant_id: UUID
    tenant_name: str = Field(examples=["City of Example"])
    scopes: list[str] = Field(description="what may be done", examples=[["spaces:read", "sites:read"]])
    platform_admin: bool = Field(description="whether the whole platform's nouns are open too")
    role: Role | None = Field(description="of a user; null for a key")
    email: str | None = Field(description="of a user; null for a key", examples=["ada@example.com"])
    name: str = Field(description="of the user or of the key", examples=["Ada"])
    session_id: UUID | None = Field(description="of a user; null for a key")


class JsonWebKey(BaseModel):
    """One public key (RFC 8037)."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    alg: Literal["EdDSA"] = "EdDSA"
    use: Literal["sig"] = "sig"
    kid: str = Field(description="as in the header of the tokens that it verifies", examples=["8b0d6f2c4e1a3957"])
    x: str = Field(description="the key, base64url", examples=["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"])


class JsonWebKeys(BaseModel):
    """The public keys of all access tokens that may be about (RFC 7517)."""

    keys: list[JsonWebKey]
