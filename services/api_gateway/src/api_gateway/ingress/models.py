"""Ingress credentials as HTTP shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field

from api_gateway.http.fields import Body
from api_gateway.ingress.queries import Kind

Source = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9_-]{1,50}$",
        description="the integration's name, as devices and application bindings refer to it; unique over the "
        "platform, and not the name of an MQTT ingestor",
        examples=["acme-http"],
    ),
]
ApplicationIds = Annotated[
    list[Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,100}$")]] | None,
    Field(
        min_length=1,
        max_length=100,
        description="the ChirpStack applications that it may speak for; null: all but those of other tenants",
        examples=[["ca739e26-7b67-4f14-b69e-d568c22a5a75"]],
    ),
]
CredentialId = Annotated[
    str, Path(pattern=r"^[a-z0-9]{8,32}$", description="the credential's id", examples=["5f0c7a2b91de"])
]


class IngressCredential(BaseModel):
    """What an integration proves itself with; its secrets are shown when they are made, and never again."""

    id: str = Field(description="to be named beside a signature", examples=["5f0c7a2b91de"])
    source: str = Field(description="the integration's name", examples=["acme-http"])
    application_ids: list[str] | None = Field(
        description="the applications it may speak for; null: all but those of other tenants"
    )
    previous_token_until: datetime | None = Field(description="how long the token before this one is still good")
    previous_signing_until: datetime | None = Field(description="how long the signing secret before it is still good")
    created_at: datetime
    revoked_at: datetime | None = Field(description="null while it is good")


class IngressCredentialPage(BaseModel):
    """Some of the credentials, by source."""

    total: int = Field(description="how many match, on all pages", examples=[2])
    limit: int
    offset: int
    items: list[IngressCredential]


class NewIngressCredential(Body):
    """A credential for one integration."""

    source: Source
    application_ids: ApplicationIds = None


class IngressCredentialChanges(Body):
    """What may be changed of it."""

    application_ids: ApplicationIds


class Rotation(Body):
    """Which secret to replace, and how long the present one stays good beside the new one."""

    secret: Kind = Field(description="the static token, or the secret that signatures are made with")
    keep_old_seconds: int = Field(
        default=86_400, ge=0, le=30 * 86_400, description="0: the present one is dead at once, as after a leak"
    )


class ShownSecrets(IngressCredential):
    """A credential with what was just made for it: keep it now, it is not shown again."""

    token: str | None = Field(
        default=None,
        description="for the header `Authorization: Bearer`",
        examples=["it_5f0c7a2b91de_Zm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm9vYmFyZm8"],
    )
    signing_secret: str | None = Field(
        default=None,
        description="for Standard Webhooks signatures",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
