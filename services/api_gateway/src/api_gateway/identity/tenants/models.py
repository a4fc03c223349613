"""Tenants as HTTP shows and takes them."""

from __future__ import annotations

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from api_gateway.http.fields import Body, Name, RequestId
from api_gateway.identity.users.models import Email, NewPassword


class Tenant(BaseModel):
    """A parking operator; nothing of one is visible to another."""

    id: UUID
    name: str = Field(examples=["City of Example"])
    created_at: datetime


class TenantPage(BaseModel):
    """Some of the tenants, by name."""

    total: int = Field(description="how many match, on all pages", examples=[3])
    limit: int
    offset: int
    items: list[Tenant]


class NewTenant(Body):
    """A tenant to be made, with its first owner or without."""

    name: Name
    id: UUID | None = Field(default=None, description="choose it to make a retry harmless; else one is made")
    owner_email: Email | None = Field(default=None, description="who is to own it")
    owner_name: Name | None = None
    owner_password: NewPassword | None = Field(default=None, description="his first password")
    request_id: RequestId = None

    @model_validator(mode="after")
    def _owner_is_whole(self) -> Self:
        given = [one is not None for one in (self.owner_email, self.owner_name, self.owner_password)]
        if any(given) and not all(given):
            raise ValueError("give owner_email, owner_name and owner_password together, or none of them")
        return self
